-- The library io: files of the host (script::files) with what needs a closure or the stage's own default files.
-- Arguments: host (host functions by name), what base.lua shares, methods (the table of a file's methods). Returns: the table.
local host, shared, methods = ...

local error, select, type = error, select, type
local own, known, not_here = shared.own, shared.known, shared.not_here
local open, standard = host.io_open, host.io_standard
local read, write, close = methods.read, methods.write, methods.close

local io = {
    open = open,
    tmpfile = host.io_tmpfile,
    type = host.io_type,
    stdin = standard("stdin"),
    stdout = standard("stdout"),
    stderr = standard("stderr"),
    popen = not_here("io.popen", "it would stop this core; use the module cmd"),
}

-- An iterator over what `read` gives; `ends`: the file is closed behind its last piece.
local function pieces(file, ends, ...)
    local formats, count = { ... }, select("#", ...)

    local function finished(first, err, ...)
        if first == nil and ends then
            close(file)
        end

        -- What could not be read is not the end of the file.
        if first == nil and type(err) == "string" then
            error(err, 2)
        end

        return first, err, ...
    end

    return function()
        return finished(read(file, unpack(formats, 1, count)))
    end
end

function methods.lines(file, ...)
    if host.io_type(file) ~= "file" then
        error("attempt to use a closed file", 2)
    end

    return pieces(file, false, ...)
end

-- The file that `given` names, or is.
local function chosen(given, mode)
    if type(given) ~= "string" then
        if host.io_type(given) ~= "file" then
            error("bad argument #1 (an open file or a path expected, got " .. type(given) .. ")", 3)
        end

        return given
    end

    local file, err = open(given, mode)

    return file or error(err, 3)
end

local function no_input(name)
    error(name .. " is not available here: the server has no input; choose a file with io.input", 3)
end

function io.input(given)
    local record = own()

    if given ~= nil then
        record.input = chosen(given, "r")
    end

    return record.input or no_input("io.input")
end

function io.output(given)
    local record = own()

    if given ~= nil then
        record.output = chosen(given, "w")
    end

    return record.output or io.stdout
end

local function output()
    local record = known()

    return record and record.output or io.stdout
end

function io.read(...)
    local record = known()

    return read(record and record.input or no_input("io.read"), ...)
end

function io.write(...)
    return write(output(), ...)
end

function io.close(file)
    return close(file == nil and output() or file)
end

function io.lines(path, ...)
    if path == nil then
        local record = known()

        return pieces(record and record.input or no_input("io.lines"), false, ...)
    end

    local file, err = open(path, "r")

    return pieces(file or error(err, 2), true, ...)
end

return io
