//! The module as scripts meet it: what is sent, what comes back, what is refused.

use crate::auth::scripts::StageKind;
use crate::op::{Answer, Failure, Op, Route};
use crate::proto::resp::{Commands, Reply};
use crate::script::services::Settings;
use crate::script::stores::pools::{Mode, PoolTls};
use crate::script::testing::{Bench, LIMITS, eval_with};
use crate::value::Value;

/// What the script returned, with what it sent: `pool route words…` per op.
fn run(source: &str, replies: &[&str]) -> (Result<Value, String>, Vec<String>) {
    let mut replies = replies.iter();
    let mut sent = Vec::new();
    let source = format!("local r, d = require('nauthilus_redis'), 'default' {source}");
    let returned = eval_with(&source, |op| {
        let Op::Redis(op) = op else { panic!("{op:?}") };
        let route = if op.route == Route::Read { 'R' } else { 'W' };
        sent.push(format!("{}{route} {}", op.pool.0, words(&op.commands)));
        let mut frames: Vec<Reply> =
            (0..op.commands.count()).map(|_| reply(replies.next().expect("a reply"))).collect();
        if frames.len() == 1 { Answer::Reply(frames.remove(0)) } else { Answer::Replies(frames) }
    });
    (returned, sent)
}

/// The commands as one would type them; an empty word is `''`.
fn words(commands: &Commands) -> String {
    let text = String::from_utf8_lossy(commands.bytes()).into_owned();
    let mut lines = text.split("\r\n").peekable();
    let mut words = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with('*') && !words.is_empty() {
            words.push(";".to_owned());
        }
        if line.starts_with('$') {
            let word = lines.next().unwrap_or_default();
            words.push(if word.is_empty() { "''".to_owned() } else { word.to_owned() });
        }
    }
    words.join(" ")
}

/// A reply in its wire form, blanks for line ends.
fn reply(wire: &str) -> Reply {
    Reply::from_frame(format!("{}\r\n", wire.replace(' ', "\r\n")).as_bytes()).expect(wire)
}

/// Checks what one call sends.
fn sends(call: &str, expected: &str) {
    let (returned, sent) = run(&format!("r.{call}"), &[":1"; 4]);
    assert_eq!((returned, sent.join(" | ").as_str()), (Ok(Value::Nil), expected), "{call}");
}

/// Checks what one call makes of a reply: the values it returns, each as text with its type's
/// initial.
fn returns(call: &str, wire: &str, expected: &str) {
    let show = "local function show(v) if type(v) ~= 'table' then return type(v):sub(1, 1) .. ':' .. tostring(v) end \
        local keys, out = {}, {} for k in pairs(v) do keys[#keys + 1] = k end \
        table.sort(keys, function(a, b) return tostring(a) < tostring(b) end) \
        for i, k in ipairs(keys) do out[i] = k .. '=' .. show(v[k]) end return '{' .. table.concat(out, ' ') .. '}' end";
    let source = format!("{show} local a, b = r.{call} return show(a) .. ', ' .. show(b)");
    assert_eq!(run(&source, &[wire; 4]).0, Ok(Value::string(expected)), "{call} <- {wire}");
}

#[test]
fn commands_are_sent_word_for_word() {
    for (call, expected) in [
        ("redis_ping(d)", "0W PING"),
        ("redis_get(d, 'k')", "0R GET k"),
        ("redis_get(d, 5)", "0R GET 5"),
        ("redis_set(d, 'k', 'v')", "0W SET k v"),
        ("redis_set(d, 'k')", "0W SET k ''"),
        ("redis_set(d, 'k', 1.5, 60.9)", "0W SET k 1.5 EX 60"),
        ("redis_set(d, 'k', true, 0)", "0W SET k 1"),
        ("redis_set(d, 'k', false, -1)", "0W SET k 0"),
        ("redis_set(d, 'k', nil, nil)", "0W SET k ''"),
        ("redis_set(d, 'k', 'v', {nx=true, xx=false, px=1500})", "0W SET k v NX PX 1500"),
        ("redis_set(d, 'k', 'v', {get=true, keepttl=true, ex=0})", "0W SET k v GET KEEPTTL"),
        ("redis_incr(d, 'k')", "0W INCR k"),
        ("redis_del(d, 'k', 'ignored')", "0W DEL k"),
        ("redis_expire(d, 'k', 50.7)", "0W EXPIRE k 50"),
        ("redis_expire(d, 'k', '50')", "0W EXPIRE k 50"),
        ("redis_exists(d, 'k')", "0R EXISTS k"),
        ("redis_rename(d, 'a', 'b')", "0W RENAME a b"),
        ("redis_mget(d, 'a', 'b')", "0R MGET a b"),
        ("redis_mset(d, 'a', 1, 'b', 2)", "0W MSET a 1 b 2"),
        ("redis_mset(d, {a=1})", "0W MSET a 1"),
        ("redis_keys(d, 'a*')", "0R KEYS a*"),
        ("redis_scan(d, 0)", "0R SCAN 0 MATCH * COUNT 10"),
        ("redis_scan(d, 17, 'a*', 100)", "0R SCAN 17 MATCH a* COUNT 100"),
        ("redis_hget(d, 'h', 'f')", "0R HGET h f"),
        ("redis_hset(d, 'h', 'a', 1, 'b', nil)", "0W HSET h a 1 b ''"),
        ("redis_hset(d, 'h', {a=true})", "0W HSET h a 1"),
        ("redis_hdel(d, 'h', 'a', 'b')", "0W HDEL h a b"),
        ("redis_hdel(d, 'h', {'a', 'b'})", "0W HDEL h a b"),
        ("redis_hlen(d, 'h')", "0R HLEN h"),
        ("redis_hgetall(d, 'h')", "0R HGETALL h"),
        ("redis_hmget(d, 'h', {'f', 'g'})", "0R HMGET h f g"),
        ("redis_hincrby(d, 'h', 'f', 3)", "0W HINCRBY h f 3"),
        ("redis_hincrbyfloat(d, 'h', 'f', 0.5)", "0W HINCRBYFLOAT h f 0.5"),
        ("redis_hexists(d, 'h', 'f')", "0R HEXISTS h f"),
        ("redis_sadd(d, 's', 'a', 3, false)", "0W SADD s a 3 0"),
        ("redis_srem(d, 's', {'a'})", "0W SREM s a"),
        ("redis_sismember(d, 's')", "0R SISMEMBER s ''"),
        ("redis_smembers(d, 's')", "0R SMEMBERS s"),
        ("redis_scard(d, 's')", "0R SCARD s"),
        ("redis_pfadd(d, 'p', 'a', 'b')", "0W PFADD p a b"),
        ("redis_pfcount(d, 'p', 'q')", "0R PFCOUNT p q"),
        ("redis_pfmerge(d, 'to', {'p', 'q'})", "0W PFMERGE to p q"),
        ("redis_zadd(d, 'z', {b=2, a='1.5', c={}})", "0W ZADD z 1.5 a 2 b 0 c"),
        ("redis_zadd(d, 'z', {10, 20})", "0W ZADD z 10 1 20 2"),
        ("redis_zadd(d, 'z', 'a', 1, 'b', 2)", "0W ZADD z 1 a 2 b"),
        ("redis_zrange(d, 'z', 0, -1)", "0R ZRANGE z 0 -1"),
        ("redis_zrevrange(d, 'z', 0, '1')", "0R ZREVRANGE z 0 1"),
        ("redis_zrangebyscore(d, 'z', '-inf', 5)", "0R ZRANGEBYSCORE z -inf 5"),
        (
            "redis_zrangebyscore(d, 'z', 1, 5, {offset=1, count=2})",
            "0R ZRANGEBYSCORE z 1 5 LIMIT 1 2",
        ),
        ("redis_zrangebyscore(d, 'z', 1, 5, {offset=1})", "0R ZRANGEBYSCORE z 1 5 LIMIT 1 0"),
        ("redis_zrangebyscore(d, 'z', 1, 5, {})", "0R ZRANGEBYSCORE z 1 5"),
        ("redis_zrangebyscore(d, 'z', 1, 5, 1, 2)", "0R ZRANGEBYSCORE z 1 5 LIMIT 1 2"),
        ("redis_zrank(d, 'z', 'm')", "0R ZRANK z m"),
        ("redis_zrevrank(d, 'z', 'm')", "0R ZREVRANK z m"),
        ("redis_zrem(d, 'z', {'m'})", "0W ZREM z m"),
        ("redis_zremrangebyscore(d, 'z', 3, '3.9')", "0W ZREMRANGEBYSCORE z 3 3.9"),
        ("redis_zremrangebyrank(d, 'z', 0, 1)", "0W ZREMRANGEBYRANK z 0 1"),
        ("redis_zcount(d, 'z', '(1', 3)", "0R ZCOUNT z (1 3"),
        ("redis_zscore(d, 'z', 'm')", "0R ZSCORE z m"),
        ("redis_zincrby(d, 'z', 1.5, 'm')", "0W ZINCRBY z 1.5 m"),
        ("redis_lpush(d, 'l', {'w'})", "0W LPUSH l w"),
        ("redis_rpush(d, 'l', 'x', 'y')", "0W RPUSH l x y"),
        ("redis_lpop(d, 'l')", "0W LPOP l"),
        ("redis_rpop(d, 'l')", "0W RPOP l"),
        ("redis_lrange(d, 'l', 0, -1)", "0R LRANGE l 0 -1"),
        ("redis_llen(d, 'l')", "0R LLEN l"),
        ("redis_upload_script(d, 'return')", "0W SCRIPT LOAD return"),
        ("redis_run_script(d, 'src', '', {'k'}, {'a', 5, true})", "0W EVAL src 1 k a 5 1"),
        ("redis_run_script(d, 'src', nil, {'k'}, 'a', nil, 5)", "0W EVAL src 1 k a '' 5"),
        ("redis_run_script(d, 'src', '', {})", "0W EVAL src 0"),
    ] {
        sends(call, expected);
    }
}

#[test]
fn a_table_of_members_is_sent_in_order_and_what_is_no_list_last() {
    sends("redis_sadd(d, 's', {'a', 'b', [10]='c'})", "0W SADD s a b c");
    sends("redis_sadd(d, 's', {'a', nil, 'c', x='x'})", "0W SADD s a c x");
    sends("redis_sadd(d, 's', {nil, nil, 'c', [0]='a'})", "0W SADD s c a");
    sends(
        "redis_rpush(d, 'l', (function() local t = {x='last'} for i = 1, 9 do t[i] = i end return t end)())",
        "0W RPUSH l 1 2 3 4 5 6 7 8 9 last",
    );
}

#[test]
fn replies_become_values() {
    for (call, wire, expected) in [
        ("redis_ping(d)", "+PONG", "s:PONG, n:nil"),
        ("redis_get(d, 'k')", "$1 v", "s:v, n:nil"),
        ("redis_get(d, 'k')", "$-1", "n:nil, s:redis: nil"),
        ("redis_get(d, 'k')", "_", "n:nil, s:redis: nil"),
        ("redis_get(d, 'k')", "$0 ", "n:nil, n:nil"),
        ("redis_get(d, 'k', 'number')", "$4 12.5", "n:12.5, n:nil"),
        ("redis_get(d, 'k', 'bool')", "$4 true", "b:true, n:nil"),
        ("redis_get(d, 'k', 'nil')", "$1 v", "n:nil, n:nil"),
        (
            "redis_get(d, 'k', 'number')",
            "$1 v",
            "n:nil, s:strconv.ParseFloat: parsing \"v\": invalid syntax",
        ),
        (
            "redis_get(d, 'k', 'boolean')",
            "$1 v",
            "n:nil, s:unable to convert string command of type boolean",
        ),
        ("redis_get(d, 'k', 'boolean')", "$-1", "n:nil, s:redis: nil"),
        ("redis_get(d, 'k', 'number', 1)", "$1 5", "s:5, n:nil"),
        ("redis_hget(d, 'h', 'f', 'number')", "$1 7", "n:7, n:nil"),
        ("redis_set(d, 'k', 'v', {nx=true})", "$-1", "n:nil, n:nil"),
        ("redis_set(d, 'k', 'v', {get=true})", "$3 old", "s:old, n:nil"),
        ("redis_incr(d, 'k')", ":5", "n:5, n:nil"),
        ("redis_expire(d, 'k', 1)", ":0", "b:false, n:nil"),
        ("redis_hexists(d, 'k', 'f')", ":1", "b:true, n:nil"),
        ("redis_mget(d, 'a', 'b', 'c')", "*3 $1 1 $-1 $1 3", "{a=s:1 c=s:3}, n:nil"),
        ("redis_hmget(d, 'h', {'f', 'g'})", "*2 _ $1 x", "{g=s:x}, n:nil"),
        ("redis_hgetall(d, 'h')", "*4 $1 a $1 1 $1 b $1 2", "{a=s:1 b=s:2}, n:nil"),
        ("redis_hgetall(d, 'h')", "%2 $1 a $1 1 $1 b $1 2", "{a=s:1 b=s:2}, n:nil"),
        ("redis_hgetall(d, 'h')", "%0", "{}, n:nil"),
        ("redis_hincrbyfloat(d, 'h', 'f', 1)", "$3 0.5", "n:0.5, n:nil"),
        ("redis_smembers(d, 's')", "~2 $1 a $1 b", "{1=s:a 2=s:b}, n:nil"),
        ("redis_zscore(d, 'z', 'm')", ",2.5", "n:2.5, n:nil"),
        ("redis_zscore(d, 'z', 'm')", "$3 2.5", "n:2.5, n:nil"),
        ("redis_zrank(d, 'z', 'm')", "_", "n:nil, s:redis: nil"),
        ("redis_scan(d, 0)", "*2 $2 17 *1 $1 k", "{cursor=n:17 keys={1=s:k}}, n:nil"),
        (
            "redis_run_script(d, 's', '', {}, {})",
            "*4 :1 $-1 $1 x *2 :2 _",
            "{1=n:1 2=s:x 3={1=n:2}}, n:nil",
        ),
        ("redis_run_script(d, 's', '', {}, {})", "#t", "b:true, n:nil"),
        ("redis_run_script(d, 's', '', {}, {})", "%1 $1 k ,1.5", "{k=n:1.5}, n:nil"),
        ("redis_incr(d, 'k')", "-WRONGTYPE", "n:nil, s:WRONGTYPE"),
        ("redis_mget(d, 'k')", "-WRONGTYPE", "n:nil, s:WRONGTYPE"),
    ] {
        returns(call, wire, expected);
    }
}

#[test]
fn nothing_to_do_is_answered_without_asking() {
    for (call, expected) in [
        ("redis_hset(d, 'h', {})", "n:0, n:nil"),
        ("redis_hdel(d, 'h', {})", "n:0, n:nil"),
        ("redis_sadd(d, 's', {})", "n:0, n:nil"),
        ("redis_srem(d, 's', {})", "n:0, n:nil"),
        ("redis_pfadd(d, 'p', {})", "n:0, n:nil"),
        ("redis_zadd(d, 'z', {})", "n:0, n:nil"),
        ("redis_zrem(d, 'z', {})", "n:0, n:nil"),
        ("redis_lpush(d, 'l', {})", "n:0, n:nil"),
        ("redis_rpush(d, 'l', {})", "n:0, n:nil"),
        ("redis_hset(d, 'h')", "n:nil, s:ERR wrong number of arguments for 'hset' command"),
        ("redis_hset(d, 'h', nil)", "n:nil, s:ERR wrong number of arguments for 'hset' command"),
        ("redis_hdel(d, 'h')", "n:nil, s:ERR wrong number of arguments for 'hdel' command"),
        ("redis_sadd(d, 's')", "n:nil, s:ERR wrong number of arguments for 'sadd' command"),
        ("redis_sadd(d, 's', nil)", "n:nil, s:ERR wrong number of arguments for 'sadd' command"),
        ("redis_srem(d, 's', nil)", "n:nil, s:ERR wrong number of arguments for 'srem' command"),
        ("redis_pfadd(d, 'p')", "n:nil, s:ERR wrong number of arguments for 'pfadd' command"),
        ("redis_zadd(d, 'z')", "n:nil, s:invalid number of arguments"),
        ("redis_zadd(d, 'z', nil)", "n:nil, s:invalid number of arguments"),
        ("redis_zrem(d, 'z')", "n:nil, s:ERR wrong number of arguments for 'zrem' command"),
        ("redis_lpush(d, 'l')", "n:nil, s:ERR wrong number of arguments for 'lpush' command"),
        ("redis_rpush(d, 'l', nil)", "n:nil, s:ERR wrong number of arguments for 'rpush' command"),
        ("redis_mset(d)", "n:nil, s:ERR wrong number of arguments for 'mset' command"),
        ("redis_mset(d, {})", "s:OK, n:nil"),
        ("redis_pfmerge(d, 'to')", "s:OK, n:nil"),
        ("redis_mget(d)", "{}, n:nil"),
        ("redis_hmget(d, 'h', {})", "{}, n:nil"),
        ("redis_pfcount(d)", "n:nil, s:at least one key required"),
        ("redis_hset(d, 'h', 'f')", "n:nil, s:invalid number of arguments"),
        ("redis_zadd(d, 'z', 'm')", "n:nil, s:invalid number of arguments"),
        ("redis_set(d, 'k', {})", "n:nil, s:unable to convert Lua value of type table"),
        ("redis_set(d, 'k', print)", "n:nil, s:unable to convert Lua value of type function"),
        ("redis_hset(d, 'h', 'f', {})", "n:nil, s:unable to convert Lua value of type table"),
        ("redis_sadd(d, 's', {'a', {}})", "n:nil, s:unable to convert Lua value of type table"),
        ("redis_hset(d, 'h', {[true]=1})", "n:nil, s:unable to convert Lua value of type boolean"),
        (
            "redis_run_script(d, '', 'unheard of', {}, {})",
            "n:nil, s:could not find script with name unheard of",
        ),
        ("redis_pipeline(d, 'read', {})", "{}, n:nil"),
        ("redis_pipeline(d, 'read', {{'GET', 'k'}})", "n:nil, s:unsupported pipeline command: GET"),
        ("redis_pipeline(d, 'read', {{}})", "n:nil, s:unsupported pipeline command: nil"),
        (
            "redis_pipeline(d, 'read', {{'get', 'k'}, 5})",
            "n:nil, s:pipeline command at index 2 must be a table",
        ),
        (
            "redis_pipeline(d, 'read', {{'get'}})",
            "n:nil, s:pipeline command at index 1 (get): bad argument #1 (string expected, got nil)",
        ),
        (
            "redis_pipeline(d, 'read', {{'hset', 'h', 'f'}})",
            "n:nil, s:pipeline command at index 1 (hset): invalid number of arguments",
        ),
        (
            "redis_pipeline(d, 'read', {{'sadd', 's'}})",
            "n:nil, s:pipeline command at index 1 (sadd): ERR wrong number of arguments for 'sadd' command",
        ),
        (
            "redis_pipeline(d, 'read', {{'set', 'k', {}}})",
            "n:nil, s:pipeline command at index 1 (set): unable to convert Lua value of type table",
        ),
        ("register_redis_pool('p', 'single', {})", "n:nil, s:Unknown mode: single"),
        (
            "get_redis_connection('nowhere')",
            "n:nil, s:No known redis configurtion found with name 'nowhere'",
        ),
    ] {
        returns(call, "-ERR not to be asked", expected);
    }
}

#[test]
fn wrong_calls_raise() {
    for (call, expected) in [
        ("redis_get(d)", "bad argument #2 to redis_get (string expected, got nil)"),
        ("redis_get(d, 'k', nil)", "bad argument #3 to redis_get (string expected, got nil)"),
        ("redis_get(d, {})", "bad argument #2 to redis_get (string expected, got table)"),
        (
            "redis_set(d, 'k', 'v', 'soon')",
            "bad argument #4 to redis_set (number expected, got string)",
        ),
        ("redis_set(d, 'k', 'v', {ex='soon'})", "number expected in field 'ex'"),
        ("redis_expire(d, 'k')", "bad argument #3 to redis_expire (number expected, got nil)"),
        ("redis_sadd(d)", "bad argument #2 to redis_sadd (string expected, got nil)"),
        (
            "redis_hset(d, 'h', nil, 'v')",
            "bad argument #3 to redis_hset (string expected, got nil)",
        ),
        (
            "redis_hdel(d, 'h', true)",
            "bad argument #3 to redis_hdel (string expected, got boolean)",
        ),
        (
            "redis_zadd(d, 'z', 'm', 'x')",
            "bad argument #4 to redis_zadd (number expected, got string)",
        ),
        (
            "redis_zrangebyscore(d, 'z', 1, 2, 'x')",
            "bad argument #5 to redis_zrangebyscore (table expected, got string)",
        ),
        (
            "redis_run_script(d, 's', '', 'k', {})",
            "bad argument #4 to redis_run_script (table expected, got string)",
        ),
        (
            "redis_pipeline(d, 'read')",
            "bad argument #3 to redis_pipeline (table expected, got nil)",
        ),
        (
            "redis_pipeline(d, nil, {})",
            "bad argument #2 to redis_pipeline (string expected, got nil)",
        ),
        (
            "register_redis_pool('p', 'standalone')",
            "bad argument #3 to register_redis_pool (table expected, got nil)",
        ),
    ] {
        let (returned, sent) = run(&format!("r.{call}"), &[]);
        let error = returned.unwrap_err();
        assert!(error.contains(expected) && sent.is_empty(), "{call}: {error}");
    }
}

#[test]
fn a_failed_link_is_an_error_text() {
    let source = "local r = require('nauthilus_redis') local _, a = r.redis_get('default', 'k') \
        local _, b = r.redis_pipeline('default', 'read', {{'ping'}, {'ping'}}) local _, c = r.redis_mget('default', 'k') \
        local _, e = r.redis_get('default', 'k', 'boolean') local _, f = r.redis_upload_script('default', '', 'n') return {a, b, c, e, f}";
    let returned = eval_with(source, |_| Answer::Failed(Failure::TimedOut));
    assert_eq!(returned, Ok(Value::List(vec![Value::string("i/o timeout"); 5])));
}

#[test]
fn a_pipeline_gives_a_result_for_each_command() {
    let (returned, sent) = run(
        "local list, err = r.redis_pipeline(d, 'write', {{'set', 'k', 'v', 60}, {'get', 'absent'}, {'zadd', 'z', 1, 'm'}, {'hmget', 'h', {'f', 'g'}}, \
         {'hgetall', 'h'}, {'expire', 'k', 5}, {'scan', 0}, {'run_script', 'src', '', {'k'}, {1, 2}}}) \
         return {list[1].value, list[2].ok, list[2].value == nil, list[3].value, list[4].value[1], list[5].value.f, list[6].value, \
         list[7].value.cursor, list[8].value, #list, err == nil}",
        &["+OK", "$-1", ":1", "*2 $-1 $1 g", "*2 $1 f $1 v", ":1", "*2 $1 0 *0", ":7"],
    );
    let expected = vec![
        Value::string("OK"),
        Value::Bool(true),
        Value::Bool(true),
        Value::Number(1.0),
        Value::string("g"),
        Value::string("v"),
        Value::Bool(true),
        Value::Number(0.0),
        Value::Number(7.0),
        Value::Number(8.0),
        Value::Bool(true),
    ];
    assert_eq!(returned, Ok(Value::List(expected)));
    assert_eq!(
        sent,
        [
            "0W SET k v EX 60 ; GET absent ; ZADD z 1 m ; HMGET h f g ; HGETALL h ; EXPIRE k 5 ; SCAN 0 MATCH * COUNT 10 ; EVAL src 1 k 1 2"
        ]
    );
}

#[test]
fn an_error_in_a_pipeline_is_the_answer_to_all_of_it() {
    returns("redis_pipeline(d, 'read', {{'get', 'k'}, {'incr', 'k'}})", "-ERR", "n:nil, s:ERR");
    let (returned, sent) = run(
        "local list, err = r.redis_pipeline(d, 'read', {{'get', 'k'}, {'incr', 'w'}}) return {list == nil, err}",
        &["$-1", "-ERR"],
    );
    assert_eq!(
        (returned, sent.len()),
        (Ok(Value::List(vec![Value::Bool(true), Value::string("ERR")])), 1)
    );
}

#[test]
fn a_script_is_run_by_its_digest_and_loaded_again_when_redis_forgot_it() {
    let (returned, sent) = run(
        "r.redis_upload_script(d, 'src', 'name') \
         return {r.redis_run_script(d, '', 'name', {'k'}, {'a'}), (r.redis_run_script(d, '', 'name', {'k'}, {'b'}))}",
        &["$3 sha", ":1", "-NOSCRIPT", "$3 sha", ":2"],
    );
    assert_eq!(returned, Ok(Value::List(vec![Value::Number(1.0), Value::Number(2.0)])));
    assert_eq!(
        sent,
        [
            "0W SCRIPT LOAD src",
            "0W EVALSHA sha 1 k a",
            "0W EVALSHA sha 1 k b",
            "0W SCRIPT LOAD src",
            "0W EVALSHA sha 1 k b"
        ]
    );
}

#[test]
fn a_script_is_loaded_again_only_once() {
    let (returned, sent) = run(
        "r.redis_upload_script(d, 'src', 'name') local _, err = r.redis_run_script(d, '', 'name', {}, {}) return err",
        &["$3 sha", "-NOSCRIPT", "$3 sha", "-NOSCRIPT"],
    );
    assert_eq!((returned, sent.len()), (Ok(Value::string("NOSCRIPT")), 4));
    let (returned, sent) = run(
        "r.redis_upload_script(d, 'src', 'name') local _, err = r.redis_run_script(d, '', 'name', {}, {}) return err",
        &["$3 sha", "-NOSCRIPT", "-OOM"],
    );
    assert_eq!((returned, sent.len()), (Ok(Value::string("OOM")), 3));
}

#[test]
fn a_script_that_redis_refuses_is_not_remembered() {
    let (returned, sent) = run(
        "local sha, a = r.redis_upload_script(d, 'src', 'name') local _, b = r.redis_run_script(d, '', 'name', {}, {}) return {sha == nil, a, b}",
        &["-ERR"],
    );
    let expected = vec![
        Value::Bool(true),
        Value::string("ERR"),
        Value::string("could not find script with name name"),
    ];
    assert_eq!((returned, sent.len()), (Ok(Value::List(expected)), 1));
}

#[test]
fn a_script_uploaded_while_redis_was_away_is_loaded_when_it_is_run() {
    let source = "local r, d = require('nauthilus_redis'), 'default' local sha, err = r.redis_upload_script(d, 'return 1', 'name') \
        return {sha == nil, err, (r.redis_run_script(d, '', 'name', {'k'}, {}))}";
    let mut sent = Vec::new();
    let returned = eval_with(source, |op| {
        let Op::Redis(op) = op else { panic!("{op:?}") };
        sent.push(words(&op.commands));
        match sent.len() {
            1 => Answer::Failed(Failure::TimedOut),
            2 => Answer::Reply(reply("-NOSCRIPT")),
            _ => Answer::Reply(reply(":7")),
        }
    });
    assert_eq!(
        returned,
        Ok(Value::List(vec![Value::Bool(true), Value::string("i/o timeout"), Value::Number(7.0)]))
    );
    let run = "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 k";
    assert_eq!(sent, ["SCRIPT LOAD return 1", run, "SCRIPT LOAD return 1", run]);
}

#[test]
fn handles_name_the_pool() {
    let (returned, sent) = run(
        "r.register_redis_pool('side', 'standalone', {address='127.0.0.1:1', db=3}) \
         local again = r.register_redis_pool('side', 'standalone', {address='127.0.0.1:1', db=3}) \
         r.register_redis_pool('other', 'cluster', {addresses={'a:1', 'b:1'}}) \
         local side, other, own = r.get_redis_connection('side'), r.get_redis_connection('other'), r.get_redis_connection('default') \
         for _, handle in ipairs({side, other, own, 'default', 'anything', 5}) do r.redis_get(handle, 'k') end \
         r.redis_get(nil, 'k') r.redis_run_script(other, 's', '', {'a', 'b'}, {}) return {again, type(side)}",
        &["$1 v"; 8],
    );
    assert_eq!(returned, Ok(Value::List(vec![Value::string("OK"), Value::string("userdata")])));
    assert_eq!(
        sent,
        [
            "1R GET k",
            "2R GET k",
            "0W GET k",
            "0R GET k",
            "0R GET k",
            "0R GET k",
            "0R GET k",
            "2W EVAL s 2 {lua-nauthilus}:a {lua-nauthilus}:b"
        ]
    );
}

/// What a script returns under other settings; nobody answers ops.
fn eval_under(source: &str, change: impl FnOnce(&mut Settings)) -> Result<Value, String> {
    let source =
        format!("local r = require('nauthilus_redis') function nauthilus_run_hook() {source} end");
    Bench::with_settings(&[(StageKind::Hook, &source)], LIMITS, change)
        .hook(|op| panic!("nobody answers {op:?}"))
}

#[test]
fn without_a_redis_the_default_handle_says_so() {
    let source = "local _, a = r.redis_get('default', 'k') local _, b = r.redis_pipeline(nil, 'read', {{'ping'}}) \
        local _, c = r.redis_run_script(r.get_redis_connection('default'), 'return 1', '', {}, {}) return {a, b, c}";
    let text = Value::string("no Redis is configured (server.redis)");
    assert_eq!(
        eval_under(source, |settings| settings.has_redis = false),
        Ok(Value::List(vec![text; 3]))
    );
}

#[test]
fn encryption_with_and_without_a_secret() {
    let source = "local sealed, err = r.redis_encrypt('default', 'text') return {sealed ~= 'text', err == nil, r.redis_decrypt('default', sealed) == 'text', \
        r.redis_decrypt('default', 'garbage') == 'garbage', r.redis_encrypt('default', '') == '', (r.redis_is_encryption_enabled('default'))}";
    let flags = |flags: [bool; 6]| Ok(Value::List(flags.map(Value::Bool).to_vec()));
    assert_eq!(eval_under(source, |_| {}), flags([false, true, true, true, true, false]));
    assert_eq!(
        eval_under(source, |settings| settings.encryption_secret = "0123456789abcdef".into()),
        flags([true; 6])
    );
}

#[test]
fn pool_settings_are_read_field_by_field() {
    let source = "function nauthilus_run_hook() local r = require('nauthilus_redis') \
        r.register_redis_pool('one', 'standalone', {username='u', password='p', db=3, tls_enabled=true, tls_cert_file='c', pool_size=5}) \
        r.register_redis_pool('two', 'sentinel', {addresses={'a:1', 7, 'b:1'}, master_name='m', sentinel_password='s', db='3', tls_enabled='yes'}) end";
    let bench = Bench::new(&[(StageKind::Hook, source)]);
    assert_eq!(bench.hook(|op| panic!("nobody answers {op:?}")), Ok(Value::Nil));
    let pools = &bench.host.state().services().redis;
    let named =
        |name: &[u8]| pools.find(name).and_then(|(id, _)| pools.settings(id)).expect("a pool");
    let (one, two) = (named(b"one"), named(b"two"));
    assert_eq!(
        (one.addresses[0].as_str(), one.username.as_str(), one.database),
        ("localhost:6379", "u", 3)
    );
    assert!(one.password.matches(b"p"));
    assert_eq!(one.tls, Some(PoolTls { cert_file: Some("c".into()), key_file: None }));
    assert_eq!(
        (two.mode, two.master_name.as_str(), two.database, &two.tls),
        (Mode::Sentinel, "m", 0, &None)
    );
    assert!(two.addresses == ["a:1", "b:1"] && two.sentinel_password.matches(b"s"));
}

#[test]
fn every_command_of_a_pipeline_is_a_function_too() {
    let known: Vec<_> = super::MODULE
        .waiting
        .iter()
        .map(|function| function.name.trim_start_matches("redis_"))
        .collect();
    let in_pipelines: Vec<_> =
        known.iter().filter(|name| super::pipeline::command(name.as_bytes()).is_some()).collect();
    assert_eq!(in_pipelines.len(), 47);
    assert_eq!(known.len() - in_pipelines.len(), ["upload_script", "run_script", "pipeline"].len());
}
