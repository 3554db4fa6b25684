---@meta cert_util

--- Certificates of TLS servers.
---@class cert_util
local cert_util = {}

--- When the chain that a server shows ends, in Unix seconds; nothing is verified. The address is `host:port`, by default port 443 of the name. Waits.
---@param server_name string
---@param address? string
---@return number?
---@return string? error
function cert_util.not_after(server_name, address) end

return cert_util
