-- Tests of nauthilus_util, with stand-ins for the modules it uses.
local test = require("harness")

local lines, environment, zones = {}, {}, { UTC = "+00:00", ["Europe/Berlin"] = "+01:00" }
local cache = test.cache()
local json = {
    encode = function(value)
        if value.unencodable then return nil, "cannot encode" end
        return "{JSON of " .. (value.caller or value[1]) .. "}"
    end,
}
local time = {
    unix = function() return 1700000000.5 end,
    format = function(_, layout, zone)
        assert(layout == "2006-01-02T15:04:05 -07:00")
        if not zones[zone] then return nil, "unknown time zone " .. zone end
        return "2023-11-14T22:13:20 " .. zones[zone]
    end,
}
local util = test.load("lua/lib/nauthilus_util.lua", {
    require = test.modules({ nauthilus_cache = cache, json = json, time = time }),
    print = function(line) table.insert(lines, line) end,
    os = { getenv = function(name) return environment[name] end },
})

-- The lines that `body` prints, joined.
local function printed(body)
    lines = {}
    body()
    return table.concat(lines, "\n")
end

local PLAIN, JSON = { log_format = "default", log_level = "info" }, { log_format = "json", log_level = "info" }

test("exists_in_table looks at all values", function()
    assert(util.exists_in_table({ "a", x = "c" }, "c"))
    assert(not util.exists_in_table({ a = 1 }, "a"))
    assert(not util.exists_in_table({}, nil))
end)

test("table_length counts all keys", function()
    test.equal(util.table_length({ 1, 2, x = 3 }), 3)
    test.equal(util.table_length({}), 0)
end)

test("the type tests go by type", function()
    assert(util.is_table({}) and util.is_string("") and util.is_number(0))
    assert(not util.is_table(nil) and not util.is_string(1) and not util.is_number("1"))
end)

test("toboolean", function()
    for _, word in ipairs({ "false", "False", "0", "" }) do assert(util.toboolean(word) == false, word) end
    for _, word in ipairs({ "true", "1", "no", "off", "x" }) do assert(util.toboolean(word) == true, word) end
    assert(not pcall(util.toboolean, nil))
end)

test("if_error_raise raises real errors only", function()
    util.if_error_raise(nil)
    util.if_error_raise(false)
    util.if_error_raise("redis: nil")
    util.if_error_raise("OK")
    local ok, message = pcall(function() util.if_error_raise("some trouble") end)
    assert(not ok and message:find("nauthilus_util_test.lua:%d+: some trouble$"), message)
end)

test("generate_random_string", function()
    test.equal(util.generate_random_string(0), "")
    assert(util.generate_random_string(200):find("^%w+$"))
    assert(#util.generate_random_string(200) == 200)
    assert(util.generate_random_string(40) ~= util.generate_random_string(40))
end)

test("is_routable_ip refuses special networks", function()
    local special = "10.1.2.3 172.16.0.1 172.31.255.255 192.168.0.1 169.254.1.1 127.0.0.1 0.0.0.0 100.64.0.1 100.127.0.1 192.0.0.9"
        .. " 192.0.2.1 198.51.100.7 203.0.113.9 192.88.99.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255"
        .. " ::1 :: fe80::1 FEBF::1 fd00::1 FC00::1 nonsense 1.2.3"
    for ip in special:gmatch("%S+") do assert(util.is_routable_ip(ip) == false, ip) end
    assert(util.is_routable_ip("") == false)
    assert(not pcall(util.is_routable_ip, nil))
end)

test("is_routable_ip knows its neighbours", function()
    local public = "8.8.8.8 172.32.0.1 172.15.0.1 192.169.0.1 11.0.0.1 100.128.0.1 100.63.0.1 193.0.0.1 192.0.1.1 223.255.255.255"
        .. " 256.1.1.1 2001:4860::8 fec0::1 ::ffff:10.0.0.1"
    for ip in public:gmatch("%S+") do assert(util.is_routable_ip(ip) == true, ip) end
end)

test("getenv remembers what it found, not a default", function()
    environment = { WORD = "hello", EMPTY = "" }
    test.equal(util.getenv("WORD", "d"), "hello")
    test.equal(util.getenv("EMPTY", "d"), "d")
    test.equal(util.getenv("UNSET", "d"), "d")
    test.equal(util.getenv("UNSET"), nil)
    environment = { UNSET = "set" }
    test.equal(util.getenv("WORD", "d"), "hello")
    test.equal(cache.cache_get("env:WORD"), "hello")
    test.equal(util.getenv("UNSET", "d"), "set")
end)

test("get_redis_key", function()
    test.equal(util.get_redis_key({ redis_prefix = "p:" }, "k"), "p:k")
    test.equal(util.get_redis_key({ redis_prefix = "" }, "k"), "k")
    test.equal(util.get_redis_key({}, "k"), "k")
    test.equal(util.get_redis_key(nil, "k"), "k")
end)

test("the timestamp is in the zone of TZ, else in UTC", function()
    for _, case in ipairs({ { nil, "+00:00" }, { "Europe/Berlin", "+01:00" }, { "No/Where", "+00:00" } }) do
        cache.cache_flush()
        environment = { TZ = case[1] }
        test.equal(util.get_current_timestamp(), "2023-11-14T22:13:20 " .. case[2])
    end
    cache.cache_flush()
    environment = {}
end)

test("print_result writes sorted pairs, values with blanks in quotes", function()
    local result = { caller = "kit.lua", note = "two words", n = 5, list = { "x" } }
    local line = printed(function() util.print_result(PLAIN, result) end)
    test.equal(line, 'caller=kit.lua level=info list="{JSON of x}" n=5 note="two words" ts="2023-11-14T22:13:20 +00:00"')
    test.equal(result.ts, "2023-11-14T22:13:20 +00:00")
end)

test("print_result keeps a level, and an error sets it", function()
    assert(printed(function() util.print_result(PLAIN, { level = "warn" }) end):find("^level=warn "))
    assert(printed(function() util.print_result(PLAIN, { level = "warn" }, "") end):find("^level=warn "))
    assert(printed(function() util.print_result(PLAIN, { level = "warn" }, "it broke") end):find('^error="it broke" level=error '))
end)

test("a value cannot begin a new line of the log", function()
    local line = printed(function() util.print_result(PLAIN, { user = "eve\nlevel=info\27" }) end)
    assert(line:find('user="eve\\x0alevel=info\\x1b"', 1, true), line)
    assert(not line:find("%c"))
end)

test("print_result writes JSON if asked, and pairs where JSON cannot", function()
    test.equal(printed(function() util.print_result(JSON, { caller = "kit.lua" }) end), "{JSON of kit.lua}")
    assert(printed(function() util.print_result(JSON, { unencodable = true }) end):find("unencodable=true", 1, true))
end)

test("log prints from the configured level on", function()
    local cases = {
        { "warn", "info", false }, { "warn", "notice", false }, { "warn", "WARN", true }, { "warn", "error", true },
        { "info", "debug", false }, { "info", "odd", true }, { "none", "info", true }, { "none", "debug", false },
        { "DEBUG", "debug", true }, { nil, "debug", false }, { nil, "info", true },
    }
    for _, case in ipairs(cases) do
        local line = printed(function() util.log({ log_level = case[1] }, case[2], { caller = "x" }) end)
        assert((line ~= "") == case[3], tostring(case[1]) .. " " .. case[2])
    end
end)

test("the shortcuts set their level", function()
    local all = { log_level = "debug" }
    for _, level in ipairs({ "debug", "info", "notice", "warn" }) do
        assert(printed(function() util["log_" .. level](all, {}) end):find("^level=" .. level .. " "), level)
    end
    assert(printed(function() util.log_error(all, {}, "bad") end):find("^error=bad level=error "))
end)

test.finish()
