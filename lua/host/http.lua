-- The Lua half of the modules http and http_client: the methods of their objects.
-- Arguments: the module's table, with what script::modules::net::http put there for this text.
local http = ...

http.client_type.__index = { do_request = http.do_request }
http.request_type.__index = { header_set = http.header_set, set_basic_auth = http.set_basic_auth }

for _, name in ipairs({ "client_type", "request_type", "do_request", "header_set", "set_basic_auth" }) do
    http[name] = nil
end
