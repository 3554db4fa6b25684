-- A test harness of one screen. A test file looks like this:
--
--     local test = require("harness")
--     local keys = test.load("lua/lib/nauthilus_keys.lua", { require = test.modules({ crypto = { md5 = fake } }) })
--     test("no name has no tag", function() assert(keys.account_tag("") == "") end)
--     test.finish()
--
-- Plain Lua from the root of the project:  LUA_PATH='lua/test/?.lua' luajit lua/lib/nauthilus_keys_test.lua
local harness = { passed = 0, failed = 0 }

-- Runs a Lua file in an environment of its own, in which `globals` hide the real ones, and returns what it returns and the
-- environment. The tests may change `globals` afterwards.
function harness.load(path, globals)
    local chunk = assert(loadfile(path))
    local environment = setmetatable(globals, { __index = _G })
    return setfenv(chunk, environment)(), environment
end

-- A `require` that knows these modules and no other.
function harness.modules(known)
    return function(name) return assert(known[name], "no stand-in for module " .. name) end
end

-- A stand-in for nauthilus_cache that forgets nothing; the lifetimes asked for are in its field `ttl`.
function harness.cache()
    local values, cache = {}, { ttl = {} }
    function cache.cache_get(key) return values[key], nil end
    function cache.cache_set(key, value, ttl)
        values[key], cache.ttl[key] = value, ttl
        return "OK", nil
    end
    function cache.cache_flush() values = {} end
    return cache
end

-- Fails, telling both values, unless they are equal.
function harness.equal(actual, expected)
    if actual ~= expected then error("expected " .. tostring(expected) .. ", got " .. tostring(actual), 2) end
end

-- Prints the sum; raises if a test failed.
function harness.finish()
    print(harness.passed .. " passed, " .. harness.failed .. " failed")
    if harness.failed > 0 then error(harness.failed .. " failed", 0) end
end

-- Runs one test.
local function run(_, name, body)
    local ok, message = pcall(body)
    if ok then
        harness.passed = harness.passed + 1
    else
        harness.failed = harness.failed + 1
        print("FAILED " .. name .. ": " .. tostring(message))
    end
end

return setmetatable(harness, { __call = run })
