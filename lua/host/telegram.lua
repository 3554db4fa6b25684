-- The Lua half of the module telegram: all of its functions but `bot` are methods of bots.
-- Arguments: the module's table, with what script::modules::net::telegram put there for this text.
local telegram = ...
local bot_type, methods = telegram.bot_type, {}
telegram.bot_type = nil

for name, method in pairs(telegram) do
    if name ~= "bot" then
        methods[name] = method
    end
end

for name in pairs(methods) do
    telegram[name] = nil
end

bot_type.__index = methods
