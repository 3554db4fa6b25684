---@meta cert_util

--- Certificates of TLS servers.
---@class cert_util
local cert_util = {}

--- The expiry time, in Unix seconds, of the certificate chain that the server presents. Nothing is
--- verified. The address is `host:port`; the default is port 443 of the server name. Waits.
---@param server_name string
---@param address? string
---@return number?
---@return string? error
function cert_util.not_after(server_name, address) end

return cert_util
