---@meta http_client

--- The clients of [http](http.md) alone.
---@class http_client
local http_client = {}

--- A client with cookies of its own. Waits, if it reads certificates.
---@param options? http.Options
---@return http.Client
function http_client.client(options) end

--- A request.
---@param method string
---@param url string
---@param body? string
---@return http.Request?
---@return string? error
function http_client.request(method, url, body) end

--- A POST with files, each `{fieldname, path, filename}`. Waits.
---@param url string
---@param files table
---@param fields? table<string, any>
---@return http.Request?
---@return string? error
function http_client.file_request(url, files, fields) end

return http_client
