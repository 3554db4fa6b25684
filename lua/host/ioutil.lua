-- The Lua half of the module ioutil: from readers to writers. `streams` is in front of this text (streams.lua).
local ioutil = ...

-- Moves up to `count` bytes. Returns how many are left, or nil and an error.
local function move(put, pull, count)
    while count > 0 do
        local ok, piece = pcall(pull, math.min(count, 4096))

        if not ok then
            return nil, piece
        elseif not piece then
            break
        end

        local written, err = pcall(put, piece)

        if not written or err then
            return nil, err
        end

        count = count - #piece
    end

    return count
end

-- Everything that the reader has. Nothing, or an error.
function ioutil.copy(writer, reader)
    local put, pull = streams.sink(writer, 1, "copy"), streams.pieces(reader, 2, "copy")
    local left, err = move(put, pull, math.huge)

    if not left then
        return err
    end
end

-- `count` bytes. Nothing, or an error: "EOF" if the reader has less.
function ioutil.copyn(writer, reader, count)
    local put, pull = streams.sink(writer, 1, "copyn"), streams.pieces(reader, 2, "copyn")
    local bytes = tonumber(count)

    if not bytes then
        error("bad argument #3 to copyn (number expected, got " .. type(count) .. ")", 2)
    end

    local left, err = move(put, pull, math.floor(bytes))

    if not left then
        return err
    elseif left > 0 then
        return "EOF"
    end
end
