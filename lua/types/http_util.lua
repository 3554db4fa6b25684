---@meta http_util

--- The URL functions of [http](http.md) alone.
---@class http_util
local http_util = {}

--- Escaped for a query.
---@param text string
---@return string
function http_util.query_escape(text) end

--- The text behind escapes.
---@param text string
---@return string?
---@return string? error
function http_util.query_unescape(text) end

--- A URL's parts.
---@param url string
---@return table?
---@return string? error
function http_util.parse_url(url) end

--- A URL of these parts.
---@param parts table
---@return string
function http_util.build_url(parts) end

return http_util
