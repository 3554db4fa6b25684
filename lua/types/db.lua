---@meta db

--- SQL databases: MySQL, MariaDB, PostgreSQL and SQLite.
---@class db
local db = {}

--- A database.
---@class db.Handle
local Handle = {}

--- Runs a statement in its own transaction and returns rows. Waits.
---@param sql string
---@return {columns: string[], rows: any[][]}?
---@return string? error
function Handle:query(sql) end

--- Runs a statement in its own transaction and returns what it changed. Waits.
---@param sql string
---@return {rows_affected: integer, last_insert_id?: integer}?
---@return string? error
function Handle:exec(sql) end

--- Runs a statement without a transaction and returns rows. Waits.
---@param sql string
---@return {columns: string[], rows: any[][]}?
---@return string? error
function Handle:command(sql) end

--- Prepares a statement. Waits.
---@param sql string
---@return db.Statement?
---@return string? error
function Handle:stmt(sql) end

--- Closes the handle.
function Handle:close() end

--- A prepared statement.
---@class db.Statement
local Statement = {}

--- Runs the statement, without a transaction, and returns rows. Waits.
---@param ... string|number|boolean|nil
---@return {columns: string[], rows: any[][]}?
---@return string? error
function Statement:query(...) end

--- Runs the statement, without a transaction, and returns what it changed. Waits.
---@param ... string|number|boolean|nil
---@return {rows_affected: integer, last_insert_id?: integer}?
---@return string? error
function Statement:exec(...) end

--- Closes the statement.
function Statement:close() end

--- Opens a database. The first statement connects.
---@param driver "mysql"|"postgres"|"sqlite3"
---@param dsn string
---@param options? {shared?: boolean, max_connections?: number, read_only?: boolean}
---@return db.Handle?
---@return string? error
function db.open(driver, dsn, options) end

return db
