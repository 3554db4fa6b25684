---@meta nauthilus_brute_force

--- Brute-force tolerations and blocks.
---@class nauthilus_brute_force
local nauthilus_brute_force = {}

--- Replaces all custom tolerations.
---@param list {ip_address: string, tolerate_percent: number, tolerate_ttl: string}[]
---@return string? ok "OK"
---@return string? error
function nauthilus_brute_force.set_custom_tolerations(list) end

--- Adds or changes a toleration.
---@param toleration {ip_address: string, tolerate_percent: number, tolerate_ttl: string}
---@return string? ok "OK"
---@return string? error
function nauthilus_brute_force.set_custom_toleration(toleration) end

--- Removes a toleration.
---@param ip string
---@return string? ok "OK"
---@return string? error
function nauthilus_brute_force.delete_custom_toleration(ip) end

--- All custom tolerations.
---@return table[]
---@return nil
function nauthilus_brute_force.get_custom_tolerations() end

--- The number of users with successful (`positive`) and with failed (`negative`) logins from an
--- address. Waits.
---@param ip string
---@return table<string, number>?
---@return string? error
function nauthilus_brute_force.get_tolerate_map(ip) end

--- The buckets that currently block an address. Waits.
---@param ip string
---@return string[]?
---@return string? error
function nauthilus_brute_force.is_ip_address_blocked(ip) end

return nauthilus_brute_force
