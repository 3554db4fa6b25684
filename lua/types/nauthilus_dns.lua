---@meta nauthilus_dns

--- DNS lookups.
---@class nauthilus_dns
local nauthilus_dns = {}

--- The records of a name: MX as a list of `{host, pref}`, CNAME as a string, other types as a list. Waits.
---@param name string
---@param type? "A"|"AAAA"|"MX"|"NS"|"TXT"|"CNAME"|"PTR"
---@return table|string|nil
---@return string? error
function nauthilus_dns.resolve(name, type) end

return nauthilus_dns
