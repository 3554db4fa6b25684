---@meta http_server

--- What [http](http.md) has of servers: nothing.
---@class http_server
local http_server = {}

--- Raises: scripts do not serve.
---@param address any
function http_server.server(address) end

--- Raises: scripts do not serve.
---@param folder string
---@param address string
function http_server.serve_static(folder, address) end

return http_server
