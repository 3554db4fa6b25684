//! `-c FILE`, which every command accepts before and after its name.

use crate::config::{self, Config, Format, Source};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use std::path::PathBuf;

#[derive(Args)]
#[command(next_help_heading = "Configuration")]
pub struct Configuration {
    /// The configuration file. By default the standard locations are searched.
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// The format of the configuration file. By default the file extension decides.
    #[arg(long, value_name = "FORMAT", global = true, value_parser = formats())]
    config_format: Option<String>,
}

fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new([
        PossibleValue::new("yaml").alias("yml"),
        PossibleValue::new("json"),
        PossibleValue::new("toml"),
    ])
}

impl Configuration {
    /// The file and format that were named, if any, and the process's environment.
    pub fn source(&self) -> Source {
        let format = self.config_format.as_deref().and_then(Format::named);
        Source::from_process(self.config.clone(), format)
    }

    /// Loads the configuration, which is also the one of the running server.
    ///
    /// # Errors
    /// All problems of the files and the environment, one a line.
    pub fn load(&self) -> Result<Config, String> {
        config::load(&self.source())
            .map(|loaded| loaded.config)
            .map_err(|problems| problems.to_string())
    }
}
