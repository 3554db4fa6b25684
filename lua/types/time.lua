---@meta time

--- The current time, and times as text. Layouts are Go's: Mon Jan 2 15:04:05 -0700 MST 2006.
---@class time
local time = {}

--- Seconds since 1970, with fractions.
---@return number
function time.unix() end

--- Nanoseconds since 1970.
---@return number
function time.unix_nano() end

--- Waits.
---@param seconds number
function time.sleep(seconds) end

--- Waits.
---@param milliseconds number
function time.sleep_ms(milliseconds) end

--- Formats a time.
---@param seconds number
---@param layout? string
---@param zone? string
---@return string?
---@return string? error
function time.format(seconds, layout, zone) end

--- Parses a time.
---@param value string
---@param layout string
---@param zone? string
---@return number?
---@return string? error
function time.parse(value, layout, zone) end

return time
