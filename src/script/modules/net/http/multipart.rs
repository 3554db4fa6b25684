//! `http.file_request`: files as `multipart/form-data` (RFC 7578). They are read on a helper
//! thread, when the request is made.

use super::request;
use crate::script::disk;
use crate::script::ffi::{Call, Fault, Kind, Start};
use crate::script::modules::support::work;
use crate::upstream::http::Request;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A form with files. Other modules that upload something compose one, too.
pub struct Form {
    pub files: Vec<Part>,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// One file of the upload.
pub struct Part {
    pub field: Vec<u8>,
    pub path: PathBuf,
    /// As the server is told; `None`: the last part of the path.
    pub name: Option<Vec<u8>>,
}

impl Form {
    /// Reads the files: content type and body. Blocks, so it is work for a helper thread.
    ///
    /// # Errors
    /// A text for scripts: a file cannot be read, or together they are more than
    /// [`disk::FILE_BYTES_MAX`].
    pub fn compose(&self) -> Result<(String, Vec<u8>), String> {
        let mut random = [0; 30];
        getrandom::fill(&mut random).map_err(|_| "no random numbers")?;
        let boundary = hex::encode(random);
        let body = body(&self.files, &self.fields, &boundary)?;
        Ok((format!("multipart/form-data; boundary={boundary}"), body))
    }
}

/// `file_request(url, files[, fields])`: `files` is one `{ fieldname, path[, filename] }` or a list
/// of them, `fields` a table of texts.
pub(super) fn file_request(call: &Call<'_>) -> Result<Start, Fault> {
    let url = call.string(1)?.into_owned();
    call.table(2)?;
    let Some(files) = parts(call) else {
        return Ok(Start::Done(call.nil_and("fieldname or path is nil")));
    };
    let mut fields = Vec::new();
    if !call.is_none_or_nil(3) {
        call.table(3)?;
        call.for_each(3, |call| {
            fields.push((call.string(-2)?.into_owned(), call.string(-1)?.into_owned()));
            Ok(())
        })?;
        fields.sort();
    }
    let form = Form { files, fields };
    Ok(work::on_helper(
        move || form.compose(),
        move |call, done| {
            let request = work::flat(done).and_then(|(content_type, body)| {
                Request::post(url, &content_type, body).map_err(|error| error.to_string())
            });
            match request {
                Ok(request) => request::push(call, request),
                Err(error) => Ok(call.nil_and(error)),
            }
        },
    ))
}

/// The files that the second argument names; `None` if it leaves something out.
fn parts(call: &Call<'_>) -> Option<Vec<Part>> {
    let count = call.raw_len(2);
    if count == 0 {
        return part(call, 2).map(|part| vec![part]);
    }
    (1..=count)
        .map(|at| {
            let part =
                (call.push_index(2, at) == Kind::Table).then(|| part(call, call.len())).flatten();
            call.pop(1);
            part
        })
        .collect()
}

fn part(call: &Call<'_>, table: i32) -> Option<Part> {
    let text = |name: &str| {
        let text = (call.push_field(table, name) == Kind::String).then(|| call.bytes(-1).to_vec());
        call.pop(1);
        text
    };
    let path = disk::path(&text("path")?).to_owned();
    Some(Part { field: text("fieldname")?, name: text("filename"), path })
}

fn body(parts: &[Part], fields: &[(Vec<u8>, Vec<u8>)], boundary: &str) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let begin = |body: &mut Vec<u8>, field: &[u8]| {
        let opening = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"");
        body.extend_from_slice(opening.as_bytes());
        body.extend_from_slice(&quoted(field));
        body.push(b'"');
    };
    for part in parts {
        let content = read(&part.path, body.len())?;
        let name = part
            .name
            .as_deref()
            .or(part.path.file_name().map(OsStr::as_encoded_bytes))
            .unwrap_or_default();
        begin(&mut body, &part.field);
        for text in [
            b"; filename=\"",
            &quoted(name)[..],
            b"\"\r\nContent-Type: application/octet-stream\r\n\r\n",
            &content,
            b"\r\n",
        ] {
            body.extend_from_slice(text);
        }
    }
    for (name, value) in fields {
        begin(&mut body, name);
        for text in [b"\r\n\r\n", &value[..], b"\r\n"] {
            body.extend_from_slice(text);
        }
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(body)
}

fn read(path: &Path, so_far: usize) -> Result<Vec<u8>, String> {
    let content = disk::read_file(path)?;
    if (so_far + content.len()) as u64 > disk::FILE_BYTES_MAX {
        Err("the files are too large together".into())
    } else {
        Ok(content)
    }
}

/// What stands between quotes in a header, where it must not end them.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'\r' => quoted.extend_from_slice(b"%0D"),
            b'\n' => quoted.extend_from_slice(b"%0A"),
            b'"' | b'\\' => quoted.extend_from_slice(&[b'\\', *byte]),
            byte => quoted.push(*byte),
        }
    }
    quoted
}
