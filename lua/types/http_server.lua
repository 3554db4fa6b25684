---@meta http_server

--- The server functions of [http](http.md), which are not available.
---@class http_server
local http_server = {}

--- Raises: scripts cannot run servers.
---@param address any
function http_server.server(address) end

--- Raises: scripts cannot run servers.
---@param folder string
---@param address string
function http_server.serve_static(folder, address) end

return http_server
