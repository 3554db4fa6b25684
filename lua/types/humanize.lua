---@meta humanize

--- Sizes and times as people say them.
---@class humanize
local humanize = {}

--- 1.5 KiB.
---@param bytes number
---@return string
function humanize.ibytes(bytes) end

--- The number of bytes.
---@param text string
---@return number?
---@return string? error
function humanize.parse_bytes(text) end

--- With a prefix: 1.5 km.
---@param number number
---@param unit string
---@return string
function humanize.si(number, unit) end

--- 2 hours ago.
---@param seconds number
---@return string
function humanize.time(seconds) end

return humanize
