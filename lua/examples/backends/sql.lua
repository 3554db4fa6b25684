-- Backend: users in a table of MySQL, MariaDB, PostgreSQL or SQLite.
--
--     CREATE TABLE users (
--         username       VARCHAR(255) PRIMARY KEY,    -- what is typed in
--         account        VARCHAR(255) NOT NULL,       -- the mailbox; several names may have one
--         password       VARCHAR(255),                -- any scheme that nauthilus_password can compare; NULL: no logins, only mail
--         display_name   VARCHAR(255),
--         unique_user_id VARCHAR(255),
--         quota          VARCHAR(32),
--         home           VARCHAR(255)
--     );
--
-- Columns but the password become attributes of their names, those that are NULL are left out. Look-ups, which carry no password, find a user
-- by the account, too: that is the name that Dovecot's userdb asks for after a login.
--
-- Environment: SQL_DRIVER, one of mysql, postgres, sqlite3; SQL_DSN, such as auth:secret@tcp(127.0.0.1:3306)/mail,
-- postgres://auth:secret@127.0.0.1/mail or /var/lib/mail/users.db; SQL_CONNECTIONS, how many each worker may open, default 4.
-- A database that fails, and a stored password that cannot be compared, raise: the login fails temporarily. The password of a user who is
-- unknown, or has none, is compared with some other user's and the result forgotten: the time of an answer does not tell who exists.
local db = require("db")
local nauthilus_cache = require("nauthilus_cache")
local nauthilus_password = require("nauthilus_password")

local FIND_USER = "SELECT account, password, display_name, unique_user_id, quota, home FROM users WHERE username = ?"
-- The first of several users of an account.
local FIND_ACCOUNT = [[
SELECT account, password, display_name, unique_user_id, quota, home FROM users WHERE account = ? ORDER BY username LIMIT 1]]
local FIND_DECOY = "SELECT password FROM users WHERE password IS NOT NULL LIMIT 1"
local DECOY_SECONDS = 300
local LIST_ACCOUNTS = "SELECT DISTINCT account FROM users ORDER BY account"

-- Attributes that the server knows the meaning of, and the setter that tells it so.
local KNOWN_ATTRIBUTES = { display_name = "display_name_field", unique_user_id = "unique_user_id_field" }

local function required(name)
    local value = os.getenv(name)
    if value == nil or value == "" then error(name .. " is not set") end
    return value
end

-- The rows of a statement, whose values are never part of its text.
local function ask(sql, ...)
    local driver = required("SQL_DRIVER")
    if driver == "postgres" then sql = string.gsub(sql, "%?", "$1") end
    local options = { shared = true, max_connections = tonumber(os.getenv("SQL_CONNECTIONS")) or 4 }
    local database, open_err = db.open(driver, required("SQL_DSN"), options)
    if not database then error("database: " .. open_err) end
    local statement, prepare_err = database:stmt(sql)
    if not statement then error("database: " .. prepare_err) end
    local result, query_err = statement:query(...)
    if not result then error("database: " .. query_err) end
    return result
end

-- What the table says of a user by column, nil if nothing.
local function find(sql, name)
    local result = ask(sql, name)
    local row = result.rows[1]
    if not row then return nil end
    local columns = {}
    for place, name in ipairs(result.columns) do columns[name] = row[place] end
    return columns
end

local function find_user(request)
    local user = find(FIND_USER, request.username)
    if not user and request.no_auth then user = find(FIND_ACCOUNT, request.username) end
    return user
end

-- Takes as long as the comparison of a known user's password. The process remembers whose, so that the database is not asked either.
local function compare_with_decoy(password)
    local decoy = nauthilus_cache.cache_get("sql.lua:decoy")
    if not decoy then
        local row = ask(FIND_DECOY).rows[1]
        if not row then return end
        decoy = row[1]
        nauthilus_cache.cache_set("sql.lua:decoy", decoy, DECOY_SECONDS)
    end
    nauthilus_password.compare_passwords(decoy, password)
end

function nauthilus_backend_verify_password(request)
    local result = nauthilus_backend_result.new()
    local user = find_user(request)
    if not user then
        if not request.no_auth then compare_with_decoy(request.password) end
        return nauthilus_builtin.BACKEND_RESULT_NOT_FOUND, result
    end

    local stored = user.password
    user.password = nil
    result:user_found(true)
    result:account_field("account")
    result:attributes(user)
    for name, setter in pairs(KNOWN_ATTRIBUTES) do
        if user[name] then result[setter](result, name) end
    end

    -- A look-up carries no password; it only asks who the user is.
    if not request.no_auth and not stored then
        compare_with_decoy(request.password)
    elseif not request.no_auth then
        local matches, err = nauthilus_password.compare_passwords(stored, request.password)
        if err then error(err) end
        result:authenticated(matches)
    end
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end

function nauthilus_backend_list_accounts()
    local accounts = {}
    for _, row in ipairs(ask(LIST_ACCOUNTS).rows) do table.insert(accounts, row[1]) end
    return nauthilus_builtin.BACKEND_RESULT_OK, accounts
end
