-- The library `table`. Its functions bypass metamethods: those that read look through a proxy; those that write work on a copy of the table
-- behind it, and the differences become changes of the stage (changes.lua).
-- LuaJIT's insert and remove walk step by step to a position outside the list, up to 2^31 steps in C code that no deadline reaches. As in the
-- reference, a value inserted outside the list is set at that position, and nothing is removed there.
-- Arguments: G (the state's real globals), shared (changes.lua). Returns: the library.
local G, shared = ...

local select, type = G.select, G.type
local raw_next, raw_pairs, raw_get, raw_set = G.next, G.pairs, G.rawget, G.rawset
local table = G.table
local insert, remove, sort = table.insert, table.remove, table.sort
local REAL, behind, change = shared.REAL, shared.unprotected, shared.change

local HIDDEN = { new = true, clear = true, nkeys = true, isarray = true, isempty = true, clone = true }
local library = {}

for name, member in raw_pairs(table) do
    if not HIDDEN[name] then
        library[name] = member
    end
end

library.getn = table.getn or function(t) return #t end

for _, name in raw_pairs({ "concat", "foreach", "foreachi", "maxn" }) do
    local raw = table[name]

    if raw then
        library[name] = function(t, ...)
            return raw(REAL[t] and behind(t) or t, ...)
        end
    end
end

-- Turns what was done to `copy` into changes of the table behind `proxy`; passes the other arguments on.
local function adopt(proxy, copy, ...)
    local real, gone = behind(proxy), {}

    for key, value in raw_next, copy do
        if raw_get(real, key) ~= value then
            change(proxy, key, value)
        end
    end

    for key in raw_next, real do
        if copy[key] == nil then
            gone[#gone + 1] = key
        end
    end

    for i = 1, #gone do
        change(proxy, gone[i], nil)
    end

    return ...
end

local function copy_of(proxy)
    local copy = {}

    for key, value in raw_next, behind(proxy) do
        copy[key] = value
    end

    return copy
end

function library.insert(list, ...)
    local target = REAL[list] and copy_of(list) or list

    if select("#", ...) == 2 and type(target) == "table" then
        local place, value = ...

        if type(place) == "number" and not (place >= 1 and place <= #target + 1) then
            raw_set(target, place, value)

            if target ~= list then
                adopt(list, target)
            end

            return
        end
    end

    if target ~= list then
        return adopt(list, target, insert(target, ...))
    end

    return insert(target, ...)
end

function library.remove(list, ...)
    local target, place = REAL[list] and copy_of(list) or list, ...

    if type(target) == "table" and type(place) == "number" and not (place >= 1 and place <= #target) then
        return nil
    elseif target ~= list then
        return adopt(list, target, remove(target, ...))
    end

    return remove(target, ...)
end

function library.sort(list, ...)
    if REAL[list] then
        local copy = copy_of(list)

        return adopt(list, copy, sort(copy, ...))
    end

    return sort(list, ...)
end

function library.move(from, first, last, at, to)
    local target = to == nil and from or to

    if REAL[target] then
        local copy = copy_of(target)

        return adopt(target, copy, table.move(behind(from), first, last, at, copy)) and target
    end

    return table.move(behind(from), first, last, at, to)
end

return library
