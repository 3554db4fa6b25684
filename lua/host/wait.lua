-- The Lua half of every host function that waits. The C half (script::ffi::function) cannot yield itself; a thin Lua function can.
-- `start` pushes true after noting what to wait for, or false and the results at once. The coroutine then yields PENDING to the
-- host, and `finish` pushes the results (or waits once more) when it is resumed.
-- Arguments: finish, the real coroutine.yield, PENDING. Returns: a function that makes the waiting function for a `start`.
local finish, yield, PENDING = ...

local function hand(waits, ...)
    if waits then
        yield(PENDING)

        return hand(finish())
    end

    return ...
end

return function(start)
    return function(...)
        return hand(start(...))
    end
end
