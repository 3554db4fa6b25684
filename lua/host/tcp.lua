-- The Lua half of the module tcp: connections are userdata whose methods wait and whose fields are timeouts.
-- Arguments: the module's table, with what script::modules::net::tcp put there for this text.
local tcp = ...
local meta, get, set = tcp.meta, tcp.get, tcp.set
local methods = { read = tcp.read, write = tcp.write, close = tcp.close }

for _, name in ipairs({ "meta", "get", "set", "read", "write", "close" }) do
    tcp[name] = nil
end

function meta.__index(connection, name)
    return methods[name] or get(connection, name)
end

meta.__newindex = set
