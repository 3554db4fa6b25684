//! Paths by a table, bounds, and the module as scripts call it.

use super::{Document, LoadError, Path, TooLong};
use crate::auth::scripts::StageKind;
use crate::op::Answer;
use crate::script::Limits;
use crate::script::testing::{Bench, LIMITS, eval_long};
use crate::value::Value;
use proptest::prelude::*;
use std::time::Duration;

const PAGE: &str = r#"<!DOCTYPE html><title>A page</title><UL class="x" id=list><li id="1">one</li><li id="2">two <b>bold</b></li>
    <li id="3">three<!-- note --></li></UL><p>last &amp; <i>least</i></p>"#;

/// The texts of what the path finds in the page, joined by `|`.
fn found(path: &str) -> String {
    let document = Document::load(PAGE.as_bytes()).unwrap();
    let path = Path::compile(path).unwrap_or_else(|error| panic!("{error}"));
    let texts: Vec<String> = document
        .select(&path, (0, 0))
        .unwrap()
        .into_iter()
        .map(|place| document.text(place))
        .collect();
    texts.join("|")
}

#[test]
fn paths_lead_to_nodes_in_document_order() {
    for (path, texts) in [
        ("/html/head/title", "A page"),
        ("//title", "A page"),
        ("//li", "one|two bold|three"),
        ("//ul/li[2]", "two bold"),
        ("//li[@id='2']/b", "bold"),
        ("//ul/@class", "x"),
        ("//ul/@*", "x|list"),
        ("//ul/attribute::id", "list"),
        ("//b/..", "two bold"),
        ("//b/parent::li/@id", "2"),
        ("//b/ancestor::*/@id", "list|2"),
        ("//b/ancestor::*[1]/@id", "2"),
        ("//b/ancestor-or-self::b", "bold"),
        ("//li[1]/following-sibling::li", "two bold|three"),
        ("//li[3]/preceding-sibling::li[1]", "two bold"),
        ("//li[3]/following::p", "last & least"),
        ("//p/preceding::b", "bold"),
        ("//i/preceding::li[1]/@id", "3"),
        ("//b/preceding::ul", ""),
        ("//p/text()", "last & "),
        ("//p//text()", "last & |least"),
        ("//comment()", " note "),
        ("//ul/descendant::b", "bold"),
        ("//li[b]", "two bold"),
        ("//li[not(b)]", "one|three"),
        ("//li[b = 'bold']/@id", "2"),
        ("//li[contains(., 'o')]", "one|two bold"),
        ("//li[contains(., 'o') and not(b)]", "one"),
        ("//li[@id='1' or (@id='3' and contains(., \"thr\"))]", "one|three"),
        ("//li[contains(., 't')][2]", "three"),
        ("//li[1]/@id/..", "one"),
        ("//*[self::b or self::i]", "bold|least"),
        ("/html/body/*[2]/i", "least"),
        ("//table", ""),
        (" // li [ 1 ] / @id ", "1"),
        ("//li/node()", "one|two |bold|three| note "),
        ("li", ""),
    ] {
        assert_eq!(found(path), texts, "{path}");
    }
    assert_eq!(found("/").lines().count(), 2);
}

#[test]
fn pages_of_any_make_are_read() {
    for (page, path, text) in [
        ("", "//*", "|"),
        ("<P>one<P>two", "//p[2]", "two"),
        ("<b>1<p>2</b>3</p>", "//p", "23"),
        ("<table><tr><td>in</td></tr>out</table>", "//tbody//td", "in"),
        ("<table>out<tr></table>", "/html/body/text()", "out"),
        ("<template><p>inside</p></template>", "//template/p", "inside"),
        ("a&lt;b&#x41;", "//body", "a<bA"),
        ("<body><noscript><p>x</p></noscript>", "//noscript//p", "x"),
        ("<o:p>office</o:p>", "//o:p", "office"),
        ("<svg><title>t</title></svg>", "//svg/title", "t"),
        ("<html lang=de><html lang=en id=x>", "/html/@*", "de|x"),
        ("x</html><!-- end -->", "/comment()", " end "),
    ] {
        let document = Document::load(page.as_bytes()).unwrap();
        let places = document.select(&Path::compile(path).unwrap(), (0, 0)).unwrap();
        let texts: Vec<_> = places.into_iter().map(|place| document.text(place)).collect();
        assert_eq!(texts.join("|").trim_start_matches('|'), text.trim_start_matches('|'), "{page}");
    }
    let bytes = Document::load(b"<p>\xff</p>").unwrap();
    assert_eq!(bytes.text((0, 0)), "\u{fffd}");
}

#[test]
fn faulty_paths() {
    for (path, error) in [
        ("//[", "compiling xml path \"//[\":2: missing name"),
        ("", "compiling xml path \"\":0: missing name"),
        ("a/", "compiling xml path \"a/\":2: missing name"),
        ("//li[", "compiling xml path \"//li[\":5: missing name"),
        ("//li[1", "compiling xml path \"//li[1\":6: expected \"]\""),
        ("//li[0]", "compiling xml path \"//li[0]\":6: positions start at 1"),
        ("count(//li)", "compiling xml path \"count(//li)\":6: unsupported function \"count\""),
        ("//a|//b", "compiling xml path \"//a|//b\":3: unexpected '|'"),
        ("//a[@b=c]", "compiling xml path \"//a[@b=c]\":7: expected a literal string"),
        ("//a[@b='c]", "compiling xml path \"//a[@b='c]\":7: missing '"),
        ("namespace::a", "compiling xml path \"namespace::a\":9: unsupported axis \"namespace\""),
        ("//a[contains(.)]", "compiling xml path \"//a[contains(.)]\":14: expected \",\""),
    ] {
        assert_eq!(Path::compile(path).unwrap_err().to_string(), error, "{path}");
    }
    let nested = |n: usize| format!("a{}{}", "[b".repeat(n), "]".repeat(n));
    assert!(Path::compile(&nested(32)).is_ok());
    assert!(Path::compile(&nested(33)).unwrap_err().to_string().ends_with("nested too deeply"));
    assert!(
        Path::compile(&format!("a{}", "/a".repeat(3000)))
            .unwrap_err()
            .to_string()
            .ends_with("path is too long")
    );
}

#[test]
fn documents_have_bounds() {
    assert_eq!(Document::load(&vec![b' '; (1 << 20) + 1]).err(), Some(LoadError::TooLarge));
    assert_eq!(Document::load("<div>".repeat(200_000).as_bytes()).err(), Some(LoadError::TooDeep));
    let formatted: String = (0..600).map(|n| format!("<b id={n}><p>")).collect();
    assert_eq!(Document::load(formatted.as_bytes()).err(), Some(LoadError::TooDeep));
    assert_eq!(Document::load("<a>".repeat(300_000).as_bytes()).err(), Some(LoadError::TooMany));
    assert!(Document::load("a&amp;".repeat(170_000).as_bytes()).is_ok());
}

#[test]
fn evaluation_has_a_bound() {
    let document = Document::load("<p>x".repeat(20_000).as_bytes()).unwrap();
    for path in [
        "//*/following::*/following::*",
        "//p[contains(//html, 'y')]",
        "//p/preceding-sibling::p[2]",
    ] {
        assert_eq!(document.select(&Path::compile(path).unwrap(), (0, 0)), Err(TooLong), "{path}");
    }
}

#[test]
fn functions_and_methods() {
    let source = r##"local xmlpath = require("xmlpath")
        local page = assert(xmlpath.load('<ul class="x"><li id="1">one</li><li id="2">two <b>bold</b></li></ul>'))
        local list = xmlpath.compile("//li"):iter(page)
        assert(#list == 2 and list[1]:string() == "one" and getmetatable(list[1]) == false)
        local bold = xmlpath.compile("b"):iter(list[2])
        assert(#bold == 1 and xmlpath.compile("/html/body/ul/@class"):iter(bold[1])[1]:string() == "x")
        local id = xmlpath.compile("@id"):iter(list[2])[1]
        assert(xmlpath.compile(".."):iter(id)[1]:string() == "two bold")
        assert(xmlpath.select == nil and xmlpath.text == nil)
        local none, err = xmlpath.load(("x"):rep(2000000))
        local none2, err2 = xmlpath.compile("//[")
        return tostring(none) .. err .. tostring(none2) .. err2"##;
    assert_eq!(
        eval_long(source),
        Ok(Value::string(
            "nildocument is larger than 1048576 bytesnilcompiling xml path \"//[\":2: missing name"
        ))
    );
    for (source, error) in [
        ("load()", "bad argument #1 to load (string expected, got nil)"),
        ("compile()", "bad argument #1 to compile (string expected, got nil)"),
        ("compile('a'):iter('b')", "bad argument #2 to iter (xmlpath node expected, got string)"),
        ("load('a').string()", "bad argument #1 to string (xmlpath node expected, got nil)"),
        (
            "compile('//*/following::*/following::*'):iter(require('xmlpath').load(('<p>x'):rep(20000)))",
            "takes more than",
        ),
    ] {
        let raised = eval_long(&format!("require('xmlpath').{source}")).unwrap_err();
        assert!(raised.contains(error), "{source}: {raised}");
    }
}

#[test]
fn documents_count_as_memory_of_the_state() {
    let source = r#"local page, kept = ("<p>x"):rep(10000), {}
        for n = 1, 24 do kept[n] = require("xmlpath").compile("/html/body"):iter(require("xmlpath").load(page))[1] end"#;
    let run = |body: &str| {
        let limits = Limits { memory_bytes: 16 << 20, cpu: Duration::from_secs(60), ..LIMITS };
        Bench::with_limits(
            &[(StageKind::Hook, &format!("function nauthilus_run_hook() {body} end"))],
            limits,
        )
        .hook(|_| Answer::Slept)
    };
    let error = run(source).unwrap_err();
    assert!(error.contains("not enough memory"), "{error}");
    assert_eq!(run(&source.replace("kept[n] =", "kept[1] =")), Ok(Value::Nil));
}

proptest! {
    #[test]
    fn any_page_is_read(page in "(<[/!]?(p|b|a|table|tr|td|li|svg|template|select|option|i)( id=1)?>|[a&; ]|<!--|-->){0,40}") {
        let document = Document::load(page.as_bytes()).unwrap();
        let places = document.select(&Path::compile("//node()/ancestor-or-self::node()").unwrap(), (0, 0)).unwrap();
        // Every node hangs on the root, and lies inside its parent.
        prop_assert_eq!(places.len(), document.nodes.len());
        for (at, node) in document.nodes.iter().enumerate() {
            let parent = &document.nodes[node.parent];
            prop_assert!(node.end > at && node.end <= parent.end && (at == 0 || node.parent < at), "{:?}", document);
        }
    }

    #[test]
    fn any_path_compiles_or_tells_why(path in r#"(//?|\.\.?|@|\*|[ab]|\[|\]|\(|\)|::|self|not|and|or|contains|text\(\)|'|"|=|,| |[0-9]|\|){0,12}"#) {
        let document = Document::load(PAGE.as_bytes()).unwrap();
        match Path::compile(&path) {
            Ok(path) => prop_assert!(document.select(&path, (0, 0)).is_ok()),
            Err(error) => prop_assert!(error.to_string().starts_with("compiling xml path "), "{}", error),
        }
    }
}
