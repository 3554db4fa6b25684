---@meta nauthilus_util

--- Helpers. An operator's file of this name wins over ours.
---@class nauthilus_util
local nauthilus_util = {}

--- Whether a value is in a table.
---@param list table
---@param wanted any
---@return boolean
function nauthilus_util.exists_in_table(list, wanted) end

--- How many pairs a table has.
---@param list table
---@return integer
function nauthilus_util.table_length(list) end

--- Whether it is a table.
---@param value any
---@return boolean
function nauthilus_util.is_table(value) end

--- Whether it is a string.
---@param value any
---@return boolean
function nauthilus_util.is_string(value) end

--- Whether it is a number.
---@param value any
---@return boolean
function nauthilus_util.is_number(value) end

--- False for "false", "0" and "".
---@param text string
---@return boolean
function nauthilus_util.toboolean(text) end

--- Raises an error unless it is none.
---@param err any
function nauthilus_util.if_error_raise(err) end

--- Letters and digits.
---@param count integer
---@return string
function nauthilus_util.generate_random_string(count) end

--- Whether an address is a public one.
---@param ip string
---@return boolean
function nauthilus_util.is_routable_ip(ip) end

--- A variable of the environment.
---@param name string
---@param default? any
---@return any
function nauthilus_util.getenv(name, default) end

--- The key with the server's prefix.
---@param request nauthilus_request
---@param key string
---@return string
function nauthilus_util.get_redis_key(request, key) end

--- Now, with date and zone.
---@return string
function nauthilus_util.get_current_timestamp() end

--- Prints a line for the log.
---@param logging nauthilus_logging
---@param result table
---@param err? string
function nauthilus_util.print_result(logging, result, err) end

--- Prints a line if the level is wanted.
---@param logging nauthilus_logging
---@param level string
---@param result table
---@param err? string
function nauthilus_util.log(logging, level, result, err) end

--- A line of level debug.
---@param logging nauthilus_logging
---@param result table
function nauthilus_util.log_debug(logging, result) end

--- A line of level info.
---@param logging nauthilus_logging
---@param result table
function nauthilus_util.log_info(logging, result) end

--- A line of level notice.
---@param logging nauthilus_logging
---@param result table
function nauthilus_util.log_notice(logging, result) end

--- A line of level warn.
---@param logging nauthilus_logging
---@param result table
function nauthilus_util.log_warn(logging, result) end

--- A line of level error.
---@param logging nauthilus_logging
---@param result table
---@param err? string
function nauthilus_util.log_error(logging, result, err) end

return nauthilus_util
