-- Backend: users in a table of MySQL, MariaDB, PostgreSQL or SQLite.
--
--     CREATE TABLE users (
--         username       VARCHAR(255) PRIMARY KEY,    -- the login name
--         account        VARCHAR(255) NOT NULL,       -- the mailbox; several names may share one
--         password       VARCHAR(255),                -- any scheme that nauthilus_password can compare; NULL: mail only, no login
--         display_name   VARCHAR(255),
--         unique_user_id VARCHAR(255),
--         quota          VARCHAR(32),
--         home           VARCHAR(255),
--         totp_secret    VARCHAR(255),                -- second factors, for the MFA back channel
--         recovery_codes TEXT                         -- a JSON list
--     );
--
--     CREATE TABLE webauthn_credentials (
--         username   VARCHAR(255) NOT NULL,
--         id         VARCHAR(64) NOT NULL,            -- SHA-256 of the credential, in hex
--         credential TEXT NOT NULL,                   -- JSON, exactly as received
--         PRIMARY KEY (username, id)
--     );
--
-- All columns except the password and the second factors become attributes of the same name; NULL columns
-- are omitted. Look-ups, which have no password, also find users by account, because Dovecot's userdb asks
-- for the account after a login.
--
-- Environment: SQL_DRIVER, one of mysql, postgres, sqlite3; SQL_DSN, such as
-- auth:secret@tcp(127.0.0.1:3306)/mail, postgres://auth:secret@127.0.0.1/mail or /var/lib/mail/users.db;
-- SQL_CONNECTIONS, the number of connections per worker (default 4).
-- If the database fails, or if the stored password cannot be compared, the script raises and the login
-- fails temporarily. If the user is unknown or has no password, the password is compared with another
-- user's hash, so that response times do not reveal which users exist.
local crypto = require("crypto")
local db = require("db")
local json = require("json")
local nauthilus_cache = require("nauthilus_cache")
local nauthilus_password = require("nauthilus_password")

local FIND_USER = "SELECT account, password, display_name, unique_user_id, quota, home FROM users WHERE username = ?"
-- If several users share an account, the first one counts.
local FIND_ACCOUNT = [[
SELECT account, password, display_name, unique_user_id, quota, home FROM users WHERE account = ? ORDER BY username LIMIT 1]]
local FIND_DECOY = "SELECT password FROM users WHERE password IS NOT NULL LIMIT 1"
local DECOY_SECONDS = 300
local LIST_ACCOUNTS = "SELECT DISTINCT account FROM users ORDER BY account"
local SET_TOTP = "UPDATE users SET totp_secret = ? WHERE username = ?"
local DELETE_TOTP = "UPDATE users SET totp_secret = NULL WHERE username = ?"
local SET_RECOVERY_CODES = "UPDATE users SET recovery_codes = ? WHERE username = ?"
local DELETE_RECOVERY_CODES = "UPDATE users SET recovery_codes = NULL WHERE username = ?"
local LIST_CREDENTIALS = "SELECT credential FROM webauthn_credentials WHERE username = ? ORDER BY id"
local FIND_CREDENTIAL = "SELECT id FROM webauthn_credentials WHERE username = ? AND id = ?"
local ADD_CREDENTIAL = "INSERT INTO webauthn_credentials (username, id, credential) VALUES (?, ?, ?)"
local CHANGE_CREDENTIAL = "UPDATE webauthn_credentials SET id = ?, credential = ? WHERE username = ? AND id = ?"
local DELETE_CREDENTIAL = "DELETE FROM webauthn_credentials WHERE username = ? AND id = ?"

-- Attributes with a meaning to the server, and their setters.
local KNOWN_ATTRIBUTES = { display_name = "display_name_field", unique_user_id = "unique_user_id_field" }

local function required(name)
    local value = os.getenv(name)
    if value == nil or value == "" then error(name .. " is not set") end
    return value
end

-- Prepares a statement. Values are never part of its text.
local function prepare(sql)
    local driver = required("SQL_DRIVER")
    if driver == "postgres" then
        local count = 0
        sql = string.gsub(sql, "%?", function()
            count = count + 1
            return "$" .. count
        end)
    end
    local options = { shared = true, max_connections = tonumber(os.getenv("SQL_CONNECTIONS")) or 4 }
    local database, open_err = db.open(driver, required("SQL_DSN"), options)
    if not database then error("database: " .. open_err) end
    local statement, prepare_err = database:stmt(sql)
    if not statement then error("database: " .. prepare_err) end
    return statement
end

-- Runs a statement and returns its rows.
local function ask(sql, ...)
    local result, err = prepare(sql):query(...)
    if not result then error("database: " .. err) end
    return result
end

-- Runs a statement that changes data. A single statement is atomic.
local function change(sql, ...)
    local result, err = prepare(sql):exec(...)
    if not result then error("database: " .. err) end
end

-- Returns a user's row by column name, or nil.
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

-- Takes as long as comparing a known user's password. The hash is cached in the process, so that this needs no query.
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

    -- A look-up has no password; it only asks who the user is.
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

-- Second factors. Changes apply to existing users only; the caller is told if the user does not exist.

local function change_user(request, sql, ...)
    if not find(FIND_USER, request.username) then return nauthilus_builtin.BACKEND_RESULT_NOT_FOUND end
    change(sql, ...)
    return nauthilus_builtin.BACKEND_RESULT_OK
end

function nauthilus_backend_add_totp(request)
    return change_user(request, SET_TOTP, request.totp_secret, request.username)
end

function nauthilus_backend_delete_totp(request) return change_user(request, DELETE_TOTP, request.username) end

function nauthilus_backend_add_totp_recovery_codes(request)
    local codes, err = json.encode(request.totp_recovery_codes)
    if err then error(err) end
    return change_user(request, SET_RECOVERY_CODES, codes, request.username)
end

function nauthilus_backend_delete_totp_recovery_codes(request)
    return change_user(request, DELETE_RECOVERY_CODES, request.username)
end

-- Whether the user has a credential with this id. The id is a hash, because column comparison may ignore case.
local function has_credential(username, id) return ask(FIND_CREDENTIAL, username, id).rows[1] ~= nil end

function nauthilus_backend_get_webauthn_credentials(request)
    if not find(FIND_USER, request.username) then return nauthilus_builtin.BACKEND_RESULT_NOT_FOUND, {} end
    local credentials = {}
    for _, row in ipairs(ask(LIST_CREDENTIALS, request.username).rows) do table.insert(credentials, row[1]) end
    return nauthilus_builtin.BACKEND_RESULT_OK, credentials
end

function nauthilus_backend_save_webauthn_credential(request)
    local id = crypto.sha256(request.webauthn_credential)
    -- An existing credential counts as saved.
    if has_credential(request.username, id) then return nauthilus_builtin.BACKEND_RESULT_OK end
    return change_user(request, ADD_CREDENTIAL, request.username, id, request.webauthn_credential)
end

function nauthilus_backend_update_webauthn_credential(request)
    local old = crypto.sha256(request.webauthn_old_credential)
    if not has_credential(request.username, old) then return nauthilus_builtin.BACKEND_RESULT_NOT_FOUND end
    change(CHANGE_CREDENTIAL, crypto.sha256(request.webauthn_credential), request.webauthn_credential, request.username, old)
    return nauthilus_builtin.BACKEND_RESULT_OK
end

function nauthilus_backend_delete_webauthn_credential(request)
    local id = crypto.sha256(request.webauthn_credential)
    if not has_credential(request.username, id) then return nauthilus_builtin.BACKEND_RESULT_NOT_FOUND end
    change(DELETE_CREDENTIAL, request.username, id)
    return nauthilus_builtin.BACKEND_RESULT_OK
end
