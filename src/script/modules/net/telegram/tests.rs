use crate::script::testing::beside_a_server;
use crate::value::Value;

fn run(body: &str, answers: &[String]) -> (Result<Value, String>, Vec<String>) {
    beside_a_server("local http, telegram = require('http'), require('telegram')", body, answers)
}

/// What a server of the Bot API at this address sends.
fn answer(status: u16, json: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{json}", json.len())
}

/// The request that a call of a bot's method makes.
fn sent(call: &str) -> String {
    let (result, sent) =
        run(&format!("{BOT} assert(bot:{call})"), &[answer(200, r#"{"ok":true,"result":true}"#)]);
    assert_eq!(result, Ok(Value::Nil), "{call}");
    sent.concat()
}

/// The second result of a call of a bot's method, whose first must be nil.
fn error(call: &str, answers: &[String]) -> String {
    let (result, _) = run(
        &format!("{BOT} local none, err = bot:{call} return tostring(none) .. ' ' .. err"),
        answers,
    );
    let Ok(Value::String(text)) = result else { panic!("{call}: {result:?}") };
    String::from_utf8(text).unwrap().strip_prefix("nil ").unwrap().to_owned()
}

const BOT: &str = "local bot = telegram.bot('12:T-k', nil, 'http://127.0.0.1:81/')";

#[test]
fn forms_are_sorted_and_say_what_was_given() {
    for (call, method, form) in [
        (
            "sendMessage({ chat_id = -100123, text = 'a & b', parse_mode = 'HTML' })",
            "sendMessage",
            "chat_id=-100123&disable_notification=false&disable_web_page_preview=false&parse_mode=HTML&text=a+%26+b",
        ),
        (
            "sendMessage({ username = '@channel', text = 'x', disable_notification = true, reply_to_message_id = 7, \
             reply_markup = { force_reply = true }, unknown = 'y' })",
            "sendMessage",
            "chat_id=%40channel&disable_notification=true&disable_web_page_preview=false&\
             reply_markup=%7B%22force_reply%22%3Atrue%7D&reply_to_message_id=7&text=x",
        ),
        (
            "sendMessage({ text = 'x' })",
            "sendMessage",
            "chat_id=0&disable_notification=false&disable_web_page_preview=false&text=x",
        ),
        (
            "forwardMessage({ chat_id = 1, from_chat_id = -2, message_id = 3 })",
            "forwardMessage",
            "chat_id=1&disable_notification=false&from_chat_id=-2&message_id=3",
        ),
        (
            "sendPhoto({ chat_id = 1, file_id = 'F', UseExisting = true, caption = 'c' })",
            "sendPhoto",
            "caption=c&chat_id=1&disable_notification=false&photo=F",
        ),
        (
            "editMessageText({ inline_message_id = 'i', chat_id = 5, text = 't' })",
            "editMessageText",
            "disable_web_page_preview=false&inline_message_id=i&parse_mode=&text=t",
        ),
        (
            "editMessageCaption({ chat_id = 1, message_id = 2, caption = 'c' })",
            "editMessageCaption",
            "caption=c&chat_id=1&message_id=2",
        ),
        (
            "editMessageReplyMarkup({ chat_id = 1, message_id = 2, reply_markup = { inline_keyboard = {} } })",
            "editMessageReplyMarkup",
            "chat_id=1&message_id=2&reply_markup=%7B%22inline_keyboard%22%3A%5B%5D%7D",
        ),
        (
            "deleteMessage({ chat_id = 1, message_id = 2 })",
            "deleteMessage",
            "chat_id=1&message_id=2",
        ),
    ] {
        let found = sent(call);
        assert!(
            found.starts_with(&format!(
                "POST /bot12:T-k/{method} HTTP/1.1\r\nHost: 127.0.0.1:81\r\n"
            )),
            "{call}: {found}"
        );
        assert!(
            found.contains("Content-Type: application/x-www-form-urlencoded\r\n"),
            "{call}: {found}"
        );
        assert_eq!(found.split_once("\r\n\r\n").unwrap().1, form, "{call}");
    }
}

#[test]
fn forms_go_the_clients_way_without_its_headers_and_uploads_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    std::fs::write(&path, "picture").unwrap();
    let source = format!(
        "local client = http.client({{ user_agent = 'kit', headers = {{ ['X-A'] = 'a' }}, proxy = 'http://127.0.0.2:3128' }})
        local bot = telegram.bot('T', client, 'http://127.0.0.1:81')
        assert(bot:sendMessage({{ chat_id = 1, text = 'x' }}))
        assert(bot:sendPhoto({{ chat_id = 1, photo = '{}' }}))",
        path.display()
    );
    let accepted = answer(200, r#"{"ok":true,"result":{}}"#);
    let (result, sent) = run(&source, &[accepted.clone(), accepted]);
    assert_eq!(result, Ok(Value::Nil));
    let (form, upload) = (&sent[0], sent[1..].concat());
    assert!(
        form.starts_with("POST http://127.0.0.1:81/botT/sendMessage ")
            && !form.contains("X-A")
            && !form.contains("kit"),
        "{form}"
    );
    assert!(upload.contains("User-Agent: kit\r\n") && upload.contains("X-A: a\r\n"), "{upload}");
    assert!(upload.contains("name=\"photo\"; filename=\"a.png\"\r\nContent-Type: application/octet-stream\r\n\r\npicture\r\n"), "{upload}");
    assert!(upload.contains("name=\"chat_id\"\r\n\r\n1\r\n"), "{upload}");
}

#[test]
fn telegrams_own_server_is_the_usual_one_and_is_asked_by_tls() {
    let client = "http.client({ proxy = 'http://127.0.0.1:3128' })";
    let body = format!(
        "return select(2, telegram.bot('T', {client}):sendMessage({{ chat_id = 1, text = 'x' }}))"
    );
    let Ok(Value::String(error)) = run(&body, &[]).0 else { panic!("no error") };
    let error = String::from_utf8(error).unwrap();
    assert!(error.starts_with("Post \"https://api.telegram.org/bot***/sendMessage\": "), "{error}");
}

#[test]
fn a_message_has_all_its_plain_fields() {
    let json = r#"{"ok":true,"result":{"message_id":5,"text":"hi","chat":{"id":-7,"type":"group","title":"T"},"reply_to_message":{"message_id":4},
        "new_field":1}}"#;
    let body = format!(
        "{BOT} local m = assert(bot:sendMessage({{ chat_id = 1, text = 'hi' }}))
        assert(m.message_id == 5 and m.text == 'hi' and m.date == 0 and m.caption == '' and m.group_chat_created == false)
        assert(m.from == nil and m.entities == nil and m.new_field == 1 and m.migrate_to_chat_id == 0 and m.new_chat_title == '')
        assert(m.chat.id == -7 and m.chat.title == 'T' and m.chat.username == '' and m.chat.all_members_are_administrators == false)
        assert(m.reply_to_message.message_id == 4 and m.reply_to_message.text == '')
        local gone = assert(bot:deleteMessage({{ chat_id = 1, message_id = 5 }}))
        assert(gone.message_id == 0 and gone.text == '' and gone.chat == nil)"
    );
    let answers = [answer(200, json), answer(200, r#"{"ok":true,"result":true}"#)];
    assert_eq!(run(&body, &answers).0, Ok(Value::Nil));
}

#[test]
fn updates_are_asked_for_once() {
    let first = r#"{"ok":true,"result":[{"update_id":41,"message":{"message_id":1,"text":"a"}},{"update_id":42,"callback_query":{"id":"q"}}]}"#;
    let body = format!(
        "{BOT} local list = assert(bot:getUpdates())
        assert(#list == 2 and list[1].message.text == 'a' and list[1].message.caption == '' and list[2].callback_query.id == 'q')
        assert(bot:getOffset() == 43 and #assert(bot:getUpdates()) == 0 and bot:getOffset() == 43)"
    );
    let (result, sent) =
        run(&body, &[answer(200, first), answer(200, r#"{"ok":true,"result":[]}"#)]);
    assert_eq!(result, Ok(Value::Nil));
    let forms: Vec<_> =
        sent.iter().map(|request| request.split_once("\r\n\r\n").unwrap().1).collect();
    assert_eq!(forms, ["", "offset=43"]);
}

#[test]
fn what_cannot_be_sent_is_an_error_and_is_not_sent() {
    for (call, expected) in [
        ("sendMessage({})", "sendMessage: the table is empty"),
        (
            "sendMessage({ chat_id = '5', text = 'x' })",
            "sendMessage: chat_id must be an integer, got string",
        ),
        (
            "sendMessage({ chat_id = 1.5, text = 'x' })",
            "sendMessage: chat_id must be an integer, got 1.5",
        ),
        (
            "sendMessage({ chat_id = 1e300, text = 'x' })",
            "sendMessage: chat_id must be an integer, got 1",
        ),
        (
            "sendMessage({ chat_id = 0/0, text = 'x' })",
            "sendMessage: chat_id must be an integer, got NaN",
        ),
        (
            "sendMessage({ chat_id = 1, text = 5 })",
            "sendMessage: text must be a string, got number",
        ),
        (
            "sendMessage({ chat_id = 1, disable_notification = 'yes' })",
            "sendMessage: disable_notification must be a boolean, got string",
        ),
        (
            "sendMessage({ chat_id = 1, reply_markup = 'x' })",
            "sendMessage: reply_markup must be a table, got string",
        ),
        (
            "sendMessage({ chat_id = 1, reply_markup = { 1, x = 2 } })",
            "sendMessage: reply_markup cannot encode mixed",
        ),
        ("sendPhoto({ chat_id = 1 })", "sendPhoto: photo must be a string, got nil"),
        (
            "sendPhoto({ chat_id = 1, UseExisting = true })",
            "sendPhoto: UseExisting needs a file_id",
        ),
        (
            "sendPhoto({ chat_id = 1, photo = '/nonexistent' })",
            "open /nonexistent: no such file or directory",
        ),
        ("getUpdates({ offset = 5 })", "getUpdates: takes no settings"),
    ] {
        let found = error(call, &[]);
        assert!(found.starts_with(expected), "{call}: {found}");
    }
}

#[test]
fn wrong_arguments_raise() {
    for body in [
        "telegram.bot()",
        "telegram.bot({})",
        "telegram.bot('t', 'client')",
        "telegram.bot('t', http.request('GET', 'http://h/'))",
        "telegram.bot('t', nil, '::bad')",
        "telegram.bot('t', nil, {})",
        "telegram.bot('t'):sendMessage()",
        "telegram.bot('t'):sendMessage('x')",
        "telegram.bot('t').sendMessage({}, {})",
        "telegram.bot('t').getOffset()",
        "telegram.bot('t').offset = 5",
    ] {
        assert!(run(body, &[]).0.is_err(), "{body}");
    }
}

#[test]
fn an_answer_that_is_none_is_an_error_without_the_token() {
    for (answers, expected) in [
        (vec![answer(401, r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#)], "Unauthorized"),
        (vec![answer(200, r#"{"ok":"true","description":"odd"}"#)], "odd"),
        (
            vec![answer(500, r#"{"ok":false}"#)],
            "Post \"http://127.0.0.1:81/bot***/sendMessage\": status 500: refused without a description",
        ),
        (vec![answer(502, "<html>")], "Post \"http://127.0.0.1:81/bot***/sendMessage\": status 502: "),
        (vec![answer(200, "")], "Post \"http://127.0.0.1:81/bot***/sendMessage\": status 200: unexpected end of JSON input"),
        (vec![answer(200, "[1]")], "Post \"http://127.0.0.1:81/bot***/sendMessage\": status 200: refused without a description"),
        (vec![answer(200, "5")], "Post \"http://127.0.0.1:81/bot***/sendMessage\": status 200: the answer is not an object"),
        (vec![answer(200, &"[".repeat(20_000))], "Post \"http://127.0.0.1:81/bot***/sendMessage\": status 200: "),
        (
            vec!["HTTP/1.1 200 X\r\nContent-Length: 99999999\r\n\r\n".into()],
            "Post \"http://127.0.0.1:81/bot***/sendMessage\": response body too large",
        ),
        (vec!["220 ESMTP\r\n".into()], "Post \"http://127.0.0.1:81/bot***/sendMessage\": malformed HTTP response"),
        (vec![], "Post \"http://127.0.0.1:81/bot***/sendMessage\": context deadline exceeded"),
        (
            vec!["HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:81/bot12:T-k/next\r\nContent-Length: 0\r\n\r\n".into()],
            "Post \"http://127.0.0.1:81/bot***/next\": context deadline exceeded",
        ),
    ] {
        let found = error("sendMessage({ chat_id = 1, text = 'x' })", &answers);
        assert!(found.starts_with(expected) && !found.contains("T-k"), "{answers:?}: {found}");
    }
}

#[test]
fn messages_in_messages_end() {
    let nested =
        format!("{}{}{}", r#"{"ok":true,"result":"#, r#"{"reply_to_message":"#.repeat(5000), "{}");
    let json = format!("{nested}{}", "}".repeat(5001));
    let body = format!(
        "{BOT} local m = assert(bot:sendMessage({{ chat_id = 1, text = 'x' }})) return m.reply_to_message.text"
    );
    assert_eq!(run(&body, &[answer(200, &json)]).0, Ok(Value::string("")));
}
