-- The Lua half of the host's string functions (library.rs): what needs a closure or obeys metamethods.
-- Gets the table of host functions by name; returns it as scripts may have it.
local functions = ...
local open, step, substitute = functions.gmatch, functions.gmatch_step, functions.gsub
local type = type

functions.gmatch_step = nil

function functions.gmatch(subject, pattern)
    local state = open(subject, pattern)

    return function()
        return step(state)
    end
end

functions.gfind = functions.gmatch

function functions.gsub(subject, pattern, replacement, max)
    if type(replacement) == "table" then
        local values = replacement

        replacement = function(key)
            return values[key]
        end
    end

    return substitute(subject, pattern, replacement, max)
end

return functions
