---@meta http_util

--- Only the URL functions of [http](http.md).
---@class http_util
local http_util = {}

--- Escapes text for a query string.
---@param text string
---@return string
function http_util.query_escape(text) end

--- Reverses `query_escape`.
---@param text string
---@return string?
---@return string? error
function http_util.query_unescape(text) end

--- Splits a URL into its parts.
---@param url string
---@return table?
---@return string? error
function http_util.parse_url(url) end

--- Builds a URL from its parts.
---@param parts table
---@return string
function http_util.build_url(parts) end

return http_util
