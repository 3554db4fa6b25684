---@meta nauthilus_dns

--- Names and addresses.
---@class nauthilus_dns
local nauthilus_dns = {}

--- The records of a name. MX are `{host, pref}`, CNAME is one text, the others a list. Waits.
---@param name string
---@param type? "A"|"AAAA"|"MX"|"NS"|"TXT"|"CNAME"|"PTR"
---@return table|string|nil
---@return string? error
function nauthilus_dns.resolve(name, type) end

return nauthilus_dns
