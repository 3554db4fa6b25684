-- Tests of the SQL backend, with stand-ins for the host and the database. The databases themselves: tests/e2e/examples.
local test = require("harness")

-- By username: account and password.
local users = {}
local compared = {}
local cache = test.cache()

local function compare_passwords(hash, plain)
    table.insert(compared, hash)
    return hash == "hash of " .. plain, nil
end

-- A result object that keeps what its setters were given.
local function new_result()
    local set = {}
    return setmetatable({ set = set }, { __index = function(_, name) return function(_, value) set[name] = value end end })
end

local asked = {}

local function rows_of(sql, name)
    local rows = {}
    for _, user in ipairs(users) do
        local username, account, password = unpack(user, 1, 3)
        if sql:find("WHERE username = ?", 1, true) and username == name then table.insert(rows, { account, password }) end
        if sql:find("WHERE account = ?", 1, true) and account == name then table.insert(rows, { account, password }) end
        if sql:find("IS NOT NULL", 1, true) and password then table.insert(rows, { password }) end
    end
    return rows
end

local db = {
    open = function()
        return {
            stmt = function(_, sql)
                table.insert(asked, sql)
                return { query = function(_, ...) return { columns = { "account", "password" }, rows = rows_of(sql, ...) } end }
            end,
        }
    end,
}

local _, backend = test.load("lua/examples/backends/sql.lua", {
    require = test.modules({ crypto = {}, db = db, json = {}, nauthilus_cache = cache, nauthilus_password = { compare_passwords = compare_passwords } }),
    nauthilus_builtin = { BACKEND_RESULT_OK = 0, BACKEND_RESULT_NOT_FOUND = 2 },
    nauthilus_backend_result = { new = new_result },
    os = { getenv = function(name) return ({ SQL_DRIVER = "sqlite3", SQL_DSN = "x" })[name] end },
})

local function verify(request)
    local code, result = backend.nauthilus_backend_verify_password(request)
    return result.set, code
end

local function start(...)
    cache.cache_flush()
    users, compared, asked = { ... }, {}, {}
end

test("an unknown user, and one without a password, cost the same hash as a known one", function()
    start({ "ada", "ada@example.org", "hash of secret" }, { "carl", "carl@example.org" })
    assert(verify({ username = "ada", password = "secret" }).authenticated)
    test.equal(#compared, 1)
    for place, name in ipairs({ "nobody", "carl", "nobody" }) do
        local result = verify({ username = name, password = "secret" })
        assert(not result.authenticated)
        test.equal(#compared, 1 + place)
        test.equal(compared[1 + place], "hash of secret")
    end
    -- One for each login, and one to find the hash.
    test.equal(#asked, 5)
    start()
    test.equal(select(2, verify({ username = "nobody", password = "x" })), 2)
end)

test("a look-up finds a user by the account and compares nothing, a login does not", function()
    start({ "ada", "ada@example.org", "hash of secret" })
    local result, code = verify({ username = "ada@example.org", password = "", no_auth = true })
    assert(code == 0 and result.user_found)
    test.equal(select(2, verify({ username = "nobody", password = "", no_auth = true })), 2)
    test.equal(#compared, 0)
    test.equal(select(2, verify({ username = "ada@example.org", password = "secret" })), 2)
end)

test.finish()
