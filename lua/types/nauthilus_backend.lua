---@meta nauthilus_backend

--- Lets filters change the response.
---@class nauthilus_backend
local nauthilus_backend = {}

--- The backend servers that are up.
---@return nauthilus_backend_server[]
function nauthilus_backend.get_backend_servers() end

--- Selects the server named in the response. The last call wins.
---@param ip string
---@param port integer
function nauthilus_backend.select_backend_server(ip, port) end

--- Adds the attributes of the result to the response.
---@param result nauthilus_backend_result
function nauthilus_backend.apply_backend_result(result) end

--- Removes attributes from the response, before attributes are added.
---@param names string[]
function nauthilus_backend.remove_from_backend_result(names) end

--- Checks whether a server (`host` or `ip_address`, `port`) accepts connections. Waits.
---@param server table
---@return string? error nil if it can
function nauthilus_backend.check_backend_connection(server) end

---@class nauthilus_backend_server
---@field protocol string
---@field ip string
---@field port integer
---@field haproxy_v2 boolean
---@field tls boolean

return nauthilus_backend
