---@meta humanize

--- Human-readable sizes and times.
---@class humanize
local humanize = {}

--- A size in binary units, such as `1.5 KiB`.
---@param bytes number
---@return string
function humanize.ibytes(bytes) end

--- The number of bytes.
---@param text string
---@return number?
---@return string? error
function humanize.parse_bytes(text) end

--- A number with an SI prefix, such as `1.5 km`.
---@param number number
---@param unit string
---@return string
function humanize.si(number, unit) end

--- A relative time, such as `2 hours ago`.
---@param seconds number
---@return string
function humanize.time(seconds) end

return humanize
