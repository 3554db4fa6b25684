-- The Lua half of the module tac: the object around a handle, since methods that wait are Lua functions.
local tac = ...
local open, line, close = tac.open, tac.line, tac.close
tac.line, tac.close = nil, nil

function tac.open(path)
    local handle, err = open(path)

    if not handle then
        return nil, err
    end

    local methods = {
        line = function()
            return line(handle)
        end,
        close = function()
            close(handle)
        end,
    }

    return setmetatable({}, { __index = methods, __metatable = false })
end
