---@meta nauthilus_http_request

--- The HTTP request that started the work.
---@class nauthilus_http_request
local nauthilus_http_request = {}

--- Names in lower case, each with a list of values.
---@return table<string, string[]>
---@return nil
function nauthilus_http_request.get_all_http_request_headers() end

--- The values of a header.
---@param name string
---@return string[]
---@return nil
function nauthilus_http_request.get_http_request_header(name) end

--- The body; empty where the server has read it.
---@return string
---@return nil
function nauthilus_http_request.get_http_request_body() end

--- GET, POST …
---@return string
---@return nil
function nauthilus_http_request.get_http_method() end

--- The path without the query, decoded.
---@return string
---@return nil
function nauthilus_http_request.get_http_path() end

--- The first value of that name, decoded; "" if there is none.
---@param name string
---@return string
---@return nil
function nauthilus_http_request.get_http_query_param(name) end

return nauthilus_http_request
