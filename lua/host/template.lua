-- The Lua half of the module template: the engine's object. Its method render_file waits, so that it cannot be a plain userdata's.
local template = ...
local choose = template.choose
local MUSTACHE = { __index = { render = template.render, render_file = template.render_file }, __metatable = false }
template.render, template.render_file = nil, nil

function template.choose(name)
    local known, err = choose(name)

    if not known then
        return nil, err
    end

    return setmetatable({}, MUSTACHE)
end
