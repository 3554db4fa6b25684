---@meta log

--- Loggers for scripts.
---@class log
local log = {}

--- Writes lines.
---@class log.Logger
local Logger = {}

--- Writes a line.
---@param ... any
function Logger:print(...) end

--- Writes a line, with blanks between all arguments.
---@param ... any
function Logger:println(...) end

--- Writes a line, formatted with Go's verbs.
---@param format string
---@param ... any
function Logger:printf(format, ...) end

--- Sets the text at the start of each line.
---@param prefix string
function Logger:set_prefix(prefix) end

--- Sets where lines go.
---@param target string
---@return string? error
function Logger:set_output(target) end

--- Sets what precedes the text (date, time and so on).
---@param flags {date?: boolean, time?: boolean, microseconds?: boolean, utc?: boolean, longfile?: boolean}
function Logger:set_flags(flags) end

--- Closes the logger. Further lines for a file are lost.
function Logger:close() end

--- Creates a logger for STDOUT (also "-"), STDERR or a file.
---@param target? string
---@param prefix? string
---@param flags? table
---@return log.Logger
function log.new(target, prefix, flags) end

return log
