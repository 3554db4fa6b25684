-- The Lua half of the module zabbix: what waits are methods of bots.
-- Arguments: the module's table, with what script::modules::net::zabbix put there for this text.
local zabbix = ...

zabbix.bot_type.__index = {
    login = zabbix.login,
    logout = zabbix.logout,
    request = zabbix.request,
    save_graph = zabbix.save_graph,
}

for _, name in ipairs({ "bot_type", "login", "logout", "request", "save_graph" }) do
    zabbix[name] = nil
end
