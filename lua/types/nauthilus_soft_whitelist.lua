---@meta nauthilus_soft_whitelist

--- Networks from which a user is not checked by a feature.
---@class nauthilus_soft_whitelist
local nauthilus_soft_whitelist = {}

--- Adds a network.
---@param user string
---@param network string
---@param feature "brute_force"|"relay_domains"|"rbl"
---@return string? ok "OK"
---@return string? error
function nauthilus_soft_whitelist.soft_whitelist_set(user, network, feature) end

--- A user's networks.
---@param user string
---@param feature "brute_force"|"relay_domains"|"rbl"
---@return string[]
---@return nil
function nauthilus_soft_whitelist.soft_whitelist_get(user, feature) end

--- Removes a network.
---@param user string
---@param network string
---@param feature "brute_force"|"relay_domains"|"rbl"
---@return string? ok "OK"
---@return string? error
function nauthilus_soft_whitelist.soft_whitelist_delete(user, network, feature) end

return nauthilus_soft_whitelist
