-- The Lua half of the module log: loggers. Their state is in upvalues, out of the reach of scripts.
local log = ...
local output, stamp, position = log.output, log.stamp, log.position
local print, println, printf = log.print, log.println, log.printf
local append, complain = log.append, log.complain

for name in pairs(log) do
    log[name] = nil
end

local FLAGS = { date = true, time = true, microseconds = true, utc = true, longfile = true }

local function bad_argument(position_, name, expected, got)
    error("bad argument #" .. position_ .. " to " .. name .. " (" .. expected .. " expected, got " .. type(got) .. ")", 3)
end

-- Refuses what is no flag; level 3 is the script's line.
local function checked_flags(flags)
    local checked = {}

    for name, value in pairs(flags) do
        if FLAGS[name] and type(value) ~= "boolean" then
            error("flag '" .. tostring(name) .. "' must be boolean", 3)
        end

        checked[name] = value
    end

    return checked
end

local function writes_to(target)
    if target == "" or target == "-" or target == "STDOUT" then
        return output
    elseif target == "STDERR" then
        return complain
    end

    return function(text)
        return append(target, text)
    end
end

-- A writer for a target, and an error if it is a file that cannot be written.
local function opened(target)
    local write = writes_to(target)

    if write == output or write == complain then
        return write, nil, false
    end

    return write, write(""), true
end

local function nothing() end

-- `output`: "-" or "STDOUT", "STDERR", or a file's path. A file that cannot be written is not told of: the lines go to standard output.
function log.new(target, prefix, flags)
    if target ~= nil and type(target) ~= "string" then
        bad_argument(1, "new", "string", target)
    elseif prefix ~= nil and type(prefix) ~= "string" then
        bad_argument(2, "new", "string", prefix)
    elseif flags ~= nil and type(flags) ~= "table" then
        bad_argument(3, "new", "table", flags)
    end

    local write, err, is_file = opened(target or "-")
    prefix = prefix or ""
    flags = flags and checked_flags(flags) or {}

    if err then
        write, is_file = output, false
    end

    local function line(text)
        local place = flags.longfile and position() or ""
        local front = prefix .. stamp(flags.date, flags.time, flags.microseconds, flags.utc) .. place

        if string.sub(text, -1) ~= "\n" then
            text = text .. "\n"
        end

        -- What goes wrong with a log must not break a login.
        write(front .. text)
    end

    local methods = {}

    function methods.print(_, ...)
        line(print(...))
    end

    function methods.println(_, ...)
        line(println(...))
    end

    function methods.printf(_, ...)
        line(printf(...))
    end

    function methods.set_prefix(_, text)
        if type(text) ~= "string" then
            bad_argument(1, "set_prefix", "string", text)
        end

        prefix = text
    end

    -- Nothing, or an error; then all stays as it was.
    function methods.set_output(_, new_target)
        if type(new_target) ~= "string" then
            bad_argument(1, "set_output", "string", new_target)
        end

        local new_write, new_err, new_is_file = opened(new_target)

        if new_err then
            return new_err
        end

        write, is_file = new_write, new_is_file
    end

    function methods.set_flags(_, new_flags)
        if type(new_flags) ~= "table" then
            bad_argument(1, "set_flags", "table", new_flags)
        end

        flags = checked_flags(new_flags)
    end

    -- From now on lines for a file are lost. Nothing happens to the other outputs.
    function methods.close()
        if is_file then
            write = nothing
        end
    end

    return setmetatable({}, { __index = methods, __metatable = false })
end
