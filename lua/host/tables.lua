-- table.insert and table.remove for positions outside of the list: LuaJIT walks there step by step, up to 2^31 of them, in C code that no
-- deadline reaches. As in the reference, a value inserted outside of the list is set at that place, and nothing is removed from there.
-- Argument: the real table library, which is changed before anything else has seen it.
local table, rawset, select, type = ...
local insert, remove = table.insert, table.remove

function table.insert(list, ...)
    if select("#", ...) == 2 and type(list) == "table" then
        local place, value = ...

        if type(place) == "number" and not (place >= 1 and place <= #list + 1) then
            rawset(list, place, value)

            return
        end
    end

    return insert(list, ...)
end

function table.remove(list, ...)
    local place = ...

    if type(list) == "table" and type(place) == "number" and not (place >= 1 and place <= #list) then
        return nil
    end

    return remove(list, ...)
end
