---@meta nauthilus_brute_force

--- Tolerations and blocks.
---@class nauthilus_brute_force
local nauthilus_brute_force = {}

--- These in place of all others.
---@param list {ip_address: string, tolerate_percent: number, tolerate_ttl: string}[]
---@return string? ok "OK"
---@return string? error
function nauthilus_brute_force.set_custom_tolerations(list) end

--- Adds one, or changes it.
---@param toleration {ip_address: string, tolerate_percent: number, tolerate_ttl: string}
---@return string? ok "OK"
---@return string? error
function nauthilus_brute_force.set_custom_toleration(toleration) end

--- Takes one away.
---@param ip string
---@return string? ok "OK"
---@return string? error
function nauthilus_brute_force.delete_custom_toleration(ip) end

--- All of them.
---@return table[]
---@return nil
function nauthilus_brute_force.get_custom_tolerations() end

--- How many logins an address had: `positive`, `negative`. Waits.
---@param ip string
---@return table<string, number>?
---@return string? error
function nauthilus_brute_force.get_tolerate_map(ip) end

--- The buckets that block an address now. Waits.
---@param ip string
---@return string[]?
---@return string? error
function nauthilus_brute_force.is_ip_address_blocked(ip) end

return nauthilus_brute_force
