---@meta nauthilus_http_request

--- The HTTP request being processed.
---@class nauthilus_http_request
local nauthilus_http_request = {}

--- All headers: names in lower case, each with a list of values.
---@return table<string, string[]>
---@return nil
function nauthilus_http_request.get_all_http_request_headers() end

--- The values of a header.
---@param name string
---@return string[]
---@return nil
function nauthilus_http_request.get_http_request_header(name) end

--- The body; empty if the server has consumed it.
---@return string
---@return nil
function nauthilus_http_request.get_http_request_body() end

--- The method, such as GET.
---@return string
---@return nil
function nauthilus_http_request.get_http_method() end

--- The decoded path, without the query.
---@return string
---@return nil
function nauthilus_http_request.get_http_path() end

--- The first value of the parameter, decoded; "" if it is absent.
---@param name string
---@return string
---@return nil
function nauthilus_http_request.get_http_query_param(name) end

return nauthilus_http_request
