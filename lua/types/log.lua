---@meta log

--- Loggers of scripts.
---@class log
local log = {}

--- Writes lines.
---@class log.Logger
local Logger = {}

--- Writes a line.
---@param ... any
function Logger:print(...) end

--- Writes a line, blanks between all.
---@param ... any
function Logger:println(...) end

--- Writes a line by Go's verbs.
---@param format string
---@param ... any
function Logger:printf(format, ...) end

--- What each line begins with.
---@param prefix string
function Logger:set_prefix(prefix) end

--- Where lines go.
---@param target string
---@return string? error
function Logger:set_output(target) end

--- What stands in front of the text.
---@param flags {date?: boolean, time?: boolean, microseconds?: boolean, utc?: boolean, longfile?: boolean}
function Logger:set_flags(flags) end

--- Lines for a file are lost from here on.
function Logger:close() end

--- A logger for STDOUT (also "-"), STDERR or a file.
---@param target? string
---@param prefix? string
---@param flags? table
---@return log.Logger
function log.new(target, prefix, flags) end

return log
