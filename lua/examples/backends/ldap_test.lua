-- Tests of the LDAP backend, with stand-ins for the host and the directory. The directory itself: tests/e2e/examples.
local test = require("harness")

local entries = {}
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

local directory = { ldap_search = function() return entries, nil end }

local _, backend = test.load("lua/examples/backends/ldap.lua", {
    require = test.modules({
        nauthilus_cache = cache,
        nauthilus_ldap = directory,
        nauthilus_password = { compare_passwords = compare_passwords },
    }),
    nauthilus_builtin = { BACKEND_RESULT_OK = 0, BACKEND_RESULT_NOT_FOUND = 2 },
    nauthilus_backend_result = { new = new_result },
    os = { getenv = function(name) return name == "LDAP_BASE_DN" and "dc=example" or nil end },
})

local function verify(found, request)
    entries = found
    local code, result = backend.nauthilus_backend_verify_password(request)
    return result.set, code
end

test("an unknown user costs a hash as a known one does", function()
    local login = { username = "ada", password = "secret" }
    local _, code = verify({}, login)
    test.equal(code, 2)
    test.equal(compared[1]:sub(1, 7), "$2y$10$")
    local result = verify({ { attributes = { userPassword = { "hash of secret" }, mail = { "ada@example.org" } } } }, login)
    assert(result.authenticated)
    result, code = verify({}, { username = "nobody", password = "secret" })
    assert(code == 2 and result.authenticated == nil)
    test.equal(#compared, 3)
    test.equal(compared[3], "hash of secret")
end)

test("a look-up compares nothing", function()
    compared = {}
    test.equal(select(2, verify({}, { username = "nobody", password = "", no_auth = true })), 2)
    test.equal(#compared, 0)
end)

test.finish()
