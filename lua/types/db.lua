---@meta db

--- SQL databases: MySQL, MariaDB, PostgreSQL.
---@class db
local db = {}

--- A database.
---@class db.Handle
local Handle = {}

--- Rows, inside a transaction. Waits.
---@param sql string
---@return {columns: string[], rows: any[][]}?
---@return string? error
function Handle:query(sql) end

--- What was changed, inside a transaction. Waits.
---@param sql string
---@return {rows_affected: integer, last_insert_id?: integer}?
---@return string? error
function Handle:exec(sql) end

--- Rows, outside of a transaction. Waits.
---@param sql string
---@return {columns: string[], rows: any[][]}?
---@return string? error
function Handle:command(sql) end

--- A prepared statement. Waits.
---@param sql string
---@return db.Statement?
---@return string? error
function Handle:stmt(sql) end

--- Lets go of the database.
function Handle:close() end

--- A prepared statement.
---@class db.Statement
local Statement = {}

--- Rows. Waits.
---@param ... string|number|boolean|nil
---@return {columns: string[], rows: any[][]}?
---@return string? error
function Statement:query(...) end

--- What was changed. Waits.
---@param ... string|number|boolean|nil
---@return {rows_affected: integer, last_insert_id?: integer}?
---@return string? error
function Statement:exec(...) end

--- Lets go of the statement.
function Statement:close() end

--- A database. The first query connects.
---@param driver "mysql"|"postgres"
---@param dsn string
---@param options? {shared?: boolean, max_connections?: number, read_only?: boolean}
---@return db.Handle?
---@return string? error
function db.open(driver, dsn, options) end

return db
