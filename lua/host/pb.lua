-- The module pb: a progress bar. There is no terminal to draw it on, so it counts and shows nothing. Each environment has its own copy.
local pb = {}

function pb.new(total)
    if type(tonumber(total)) ~= "number" then
        error("bad argument #1 to new (number expected, got " .. type(total) .. ")", 2)
    end

    local bar = {}

    function bar:configure(options)
        if type(options) ~= "table" then
            error("bad argument #1 to configure (table expected, got " .. type(options) .. ")", 2)
        end
    end

    function bar:start() end

    function bar:increment() end

    function bar:finish() end

    return bar
end

return pb
