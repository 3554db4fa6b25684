//! Mustache templates, over values with every kind of member.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::script::modules::data::template::{Data, Template};

fuzz_target!(|text: &[u8]| {
    let Ok(template) = Template::parse(text) else { return };
    let inner = Data::Map(vec![(b"b".to_vec(), Data::Text(b"<&>".to_vec())), (b"c".to_vec(), Data::Number(1.5e9))]);
    let list = Data::List(vec![Data::Nil, Data::Bool(true), inner.clone()]);
    let values = Data::Map(vec![(b"a".to_vec(), list), (b"b".to_vec(), inner), (b"c".to_vec(), Data::Bool(false))]);
    if let Ok(rendered) = template.render(&values) {
        // What holds no tag comes out as it is.
        if !text.windows(2).any(|two| two == b"{{") {
            assert_eq!(rendered, text);
        }
    }
});
