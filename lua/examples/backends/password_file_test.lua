-- Tests of the password file backend, with stand-ins for the host and for the file.
local test = require("harness")

local FILE = table.concat({
    "# a comment",
    "",
    "ada:{PLAIN}secret:ada@example.org:display_name=Ada L:quota=5:group=a:group=b:group=c",
    "bob:$6$salt$hash",
    "bob:{PLAIN}second:other",
    "carl:{PLAIN}x::unique_user_id=u-3\r",
    "broken",
    "empty::account",
    "odd:{PLAIN}x:odd:nothing",
    "last:{PLAIN}x:last:note=b=c",
}, "\n")

local content, opened, compared = FILE, {}, {}
local cache = test.cache()

local function compare_passwords(hash, plain)
    table.insert(compared, hash)
    if hash:sub(1, 7) ~= "{PLAIN}" then return false, "no registered algorithm for settings []" end
    return hash:sub(8) == plain, nil
end

-- A result object that keeps what its setters were given.
local function new_result()
    local set = {}
    return setmetatable({ set = set }, { __index = function(_, name) return function(_, value) set[name] = value end end })
end

local _, backend = test.load("lua/examples/backends/password_file.lua", {
    require = test.modules({ nauthilus_cache = cache, nauthilus_password = { compare_passwords = compare_passwords } }),
    nauthilus_builtin = { BACKEND_RESULT_OK = 0, BACKEND_RESULT_NOT_FOUND = 2 },
    nauthilus_backend_result = { new = new_result },
    os = { time = os.time, getenv = function(name) return ({ PASSWORD_FILE = "users.passwd" })[name] end },
    io = {
        open = function(path)
            table.insert(opened, path)
            if not content then return nil, path .. ": No such file or directory" end
            return { read = function() return content end, close = function() end }
        end,
    },
})

local function verify(request)
    local code, result = backend.nauthilus_backend_verify_password(request)
    return result.set, code
end

-- A fresh cache, and the file as it is or as given.
local function start(text)
    cache.cache_flush()
    content, opened, compared = text or FILE, {}, {}
end

test("the right password is let in, a wrong one is not", function()
    start()
    local result, code = verify({ username = "ada", password = "secret" })
    assert(code == 0 and result.user_found and result.authenticated == true)
    result, code = verify({ username = "ada", password = "Secret" })
    assert(code == 0 and result.user_found and result.authenticated == false)
end)

test("account and attributes come from the line", function()
    start()
    local result = verify({ username = "ada", password = "secret" })
    test.equal(result.account_field, "account")
    test.equal(result.display_name_field, "display_name")
    test.equal(result.unique_user_id_field, nil)
    test.equal(result.attributes.account, "ada@example.org")
    test.equal(result.attributes.display_name, "Ada L")
    test.equal(result.attributes.quota, "5")
    test.equal(table.concat(result.attributes.group, " "), "a b c")
end)

test("without an account the user is the account", function()
    start()
    local result = verify({ username = "carl", password = "x" })
    test.equal(result.attributes.account, "carl")
    test.equal(result.attributes.unique_user_id, "u-3")
    test.equal(result.unique_user_id_field, "unique_user_id")
end)

test("an unknown user is not found, nor is a comment", function()
    start()
    for _, name in ipairs({ "nobody", "ADA", "# a comment", "" }) do
        local result, code = verify({ username = name, password = "x" })
        assert(code == 2 and not result.user_found, name)
    end
end)

test("an unknown user costs the same hash as a known one", function()
    start("ada:$2y$10$ada\nbob:$2y$10$bob")
    pcall(verify, { username = "ada", password = "x" })
    test.equal(table.concat(compared, " "), "$2y$10$ada")
    local result, code = verify({ username = "nobody", password = "x" })
    assert(code == 2 and not result.user_found)
    test.equal(table.concat(compared, " "), "$2y$10$ada $2y$10$ada")
    -- Not even the first user's own password lets anybody in.
    start("ada:{PLAIN}secret")
    result, code = verify({ username = "nobody", password = "secret" })
    assert(code == 2 and result.authenticated == nil and #compared == 1)
    start("")
    test.equal(select(2, verify({ username = "nobody", password = "x" })), 2)
end)

test("a look-up finds a user by the account, a login does not", function()
    start("ada:{PLAIN}secret:ada@example.org\nada2:{PLAIN}x:ada@example.org:note=second\nbob:{PLAIN}x:ada")
    local result, code = verify({ username = "ada@example.org", password = "", no_auth = true })
    assert(code == 0 and result.user_found and result.attributes.note == nil)
    test.equal(select(2, verify({ username = "ada@example.org", password = "secret" })), 2)
    -- The name itself comes first.
    test.equal(verify({ username = "ada", password = "", no_auth = true }).attributes.account, "ada@example.org")
    for _, name in ipairs({ "/ada", "!", ":ada", "nobody" }) do
        test.equal(select(2, verify({ username = name, password = "", no_auth = true })), 2)
    end
end)

test("a lookup compares no password", function()
    start()
    local result, code = verify({ username = "bob", password = "", no_auth = true })
    assert(code == 0 and result.user_found and result.authenticated == nil)
    verify({ username = "nobody", password = "", no_auth = true })
    test.equal(#compared, 0)
end)

test("a hash that cannot be compared raises", function()
    start()
    local ok, message = pcall(verify, { username = "bob", password = "x" })
    assert(not ok and message:find("no registered algorithm", 1, true), message)
end)

test("a file that cannot be read raises, and is asked for again", function()
    start()
    content = nil
    for _ = 1, 2 do
        local ok, message = pcall(verify, { username = "ada", password = "secret" })
        assert(not ok and message:find("No such file", 1, true), message)
    end
    test.equal(#opened, 2)
    content = FILE
    assert(verify({ username = "ada", password = "secret" }).authenticated)
end)

test("a broken line raises for its user and names only the line", function()
    start()
    for name, number in pairs({ broken = 7, empty = 8, odd = 9 }) do
        local ok, message = pcall(verify, { username = name, password = "x" })
        assert(not ok and message:find("users.passwd: line " .. number .. " is broken$"), message)
    end
    test.equal(verify({ username = "last", password = "x" }).attributes.note, "b=c")
end)

test("the file is read once in a while, and users who left are gone then", function()
    start()
    verify({ username = "ada", password = "secret" })
    verify({ username = "carl", password = "x" })
    test.equal(#opened, 1)
    test.equal(opened[1], "users.passwd")
    test.equal(cache.ttl["password_file:users.passwd"], 5)
    cache.cache_set("password_file:users.passwd", nil)
    content = "bob:{PLAIN}new:bob"
    local _, code = verify({ username = "ada", password = "secret" })
    test.equal(code, 2)
    assert(verify({ username = "bob", password = "new" }).authenticated)
end)

test("accounts are listed in order, one for each user", function()
    start("zoe:{PLAIN}x:zoe@example.org\nada:{PLAIN}x\nada:{PLAIN}y:other\n")
    local code, accounts = backend.nauthilus_backend_list_accounts()
    test.equal(code, 0)
    test.equal(table.concat(accounts, " "), "ada zoe@example.org")
end)

test("accounts are not listed from a broken file", function()
    start()
    assert(not pcall(backend.nauthilus_backend_list_accounts))
    content = nil
    assert(not pcall(backend.nauthilus_backend_list_accounts))
end)

test.finish()
