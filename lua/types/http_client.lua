---@meta http_client

--- Only the client functions of [http](http.md).
---@class http_client
local http_client = {}

--- Creates a client with its own cookies. Waits if it reads certificates.
---@param options? http.Options
---@return http.Client
function http_client.client(options) end

--- Creates a request.
---@param method string
---@param url string
---@param body? string
---@return http.Request?
---@return string? error
function http_client.request(method, url, body) end

--- Creates a POST request that uploads files, each `{fieldname, path, filename}`. Waits.
---@param url string
---@param files table
---@param fields? table<string, any>
---@return http.Request?
---@return string? error
function http_client.file_request(url, files, fields) end

return http_client
