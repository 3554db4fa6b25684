-- The library `math`. The host seeds the one generator of the state; a script that seeds gets a generator for its stage alone: L'Ecuyer's MRG32k3a,
-- whose products are exact in doubles.
-- Arguments: G (the state's real globals), host (host functions by name), shared (changes.lua, base.lua). Returns: the library.
local G, host, shared = ...

local pairs, select, tonumber, type = G.pairs, G.select, G.tonumber, G.type
local floor, raw_random = G.math.floor, G.math.random
local bad_argument, own, running = shared.bad_argument, shared.own, shared.running

local M1, M2 = 4294967087, 4294944443

local function generator(seed)
    local a, b, c, d, e, f

    local function step()
        a, b, c = b, c, (1403580 * b - 810728 * a) % M1
        d, e, f = e, f, (527612 * f - 1370589 * d) % M2

        return (c - f) % M1 / M1
    end

    -- Any number is a seed; of NaN and the infinities the remainder is NaN.
    local low = seed % M2
    low = low == low and floor(low) or 0
    a, b, c, d, e, f = low + 1, floor(seed / M2) % M1, 12345, 12345, low + 1, 12345
    b = b == b and b or 0

    for _ = 1, 10 do
        step()
    end

    return step
end

local function random(...)
    local own_random = running.random

    if not own_random then
        return raw_random(...)
    end

    local count, low, high = select("#", ...), ...
    local x = own_random()

    if count == 0 then
        return x
    elseif count == 1 then
        low, high = 1, low
    end

    low, high = tonumber(low), tonumber(high)

    if not low or not high then
        bad_argument(low and 2 or 1, "random", "number", "no number")
    end

    low, high = floor(low), floor(high)

    return low + floor(x * (high - low + 1))
end

local function randomseed(seed)
    local number = tonumber(seed)

    if not number then
        bad_argument(1, "randomseed", "number", type(seed))
    end

    local record = own()
    record.random = generator(number)
    running.random = record.random
    host.changed()
end

local library = {}

for name, member in pairs(G.math) do
    library[name] = member
end

library.mod, library.random, library.randomseed = G.math.fmod, random, randomseed

return library
