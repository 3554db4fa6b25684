---@meta nauthilus_ldap

--- Searches and modifies directories, through the configured LDAP pools.
---@class nauthilus_ldap
local nauthilus_ldap = {}

--- The values of each attribute over all entries; with `raw_result`, a list of entries `{dn,
--- attributes}`. Waits.
---@param search {pool_name: string, session: string, basedn: string, filter: string, scope: "base"|"one"|"sub"|"", attributes: string[], raw_result?: boolean}
---@return table?
---@return string? error
function nauthilus_ldap.ldap_search(search) end

--- Changes an entry. Waits.
---@param change {pool_name: string
---@param session string
---@param operation "add"|"delete"|"replace"
---@param dn string
---@param attributes table<string, any>}
---@return string? ok "OK"
---@return string? error
function nauthilus_ldap.ldap_modify(change, session, operation, dn, attributes) end

--- The host and port of the pool's first server.
---@param pool_name? string
---@return string? host
---@return integer? port
---@return string? error
function nauthilus_ldap.ldap_endpoint(pool_name) end

return nauthilus_ldap
