---@meta nauthilus_util

--- Helper functions.
---@class nauthilus_util
local nauthilus_util = {}

--- Whether a value is in a table.
---@param list table
---@param wanted any
---@return boolean
function nauthilus_util.exists_in_table(list, wanted) end

--- The number of pairs in a table.
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

--- Raises the error if there is one.
---@param err any
function nauthilus_util.if_error_raise(err) end

--- A random string of letters and digits.
---@param count integer
---@return string
function nauthilus_util.generate_random_string(count) end

--- Whether an address is public.
---@param ip string
---@return boolean
function nauthilus_util.is_routable_ip(ip) end

--- An environment variable.
---@param name string
---@param default? any
---@return any
function nauthilus_util.getenv(name, default) end

--- The key with the server's prefix.
---@param request nauthilus_request
---@param key string
---@return string
function nauthilus_util.get_redis_key(request, key) end

--- The current date and time, with zone.
---@return string
function nauthilus_util.get_current_timestamp() end

--- Prints a log line.
---@param logging nauthilus_logging
---@param result table
---@param err? string
function nauthilus_util.print_result(logging, result, err) end

--- Prints a log line if the level is enabled.
---@param logging nauthilus_logging
---@param level string
---@param result table
---@param err? string
function nauthilus_util.log(logging, level, result, err) end

--- Prints a line with level debug.
---@param logging nauthilus_logging
---@param result table
function nauthilus_util.log_debug(logging, result) end

--- Prints a line with level info.
---@param logging nauthilus_logging
---@param result table
function nauthilus_util.log_info(logging, result) end

--- Prints a line with level notice.
---@param logging nauthilus_logging
---@param result table
function nauthilus_util.log_notice(logging, result) end

--- Prints a line with level warn.
---@param logging nauthilus_logging
---@param result table
function nauthilus_util.log_warn(logging, result) end

--- Prints a line with level error.
---@param logging nauthilus_logging
---@param result table
---@param err? string
function nauthilus_util.log_error(logging, result, err) end

return nauthilus_util
