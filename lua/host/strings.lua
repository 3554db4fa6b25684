-- The Lua half of the module strings: readers and builders. `streams` is in front of this text (streams.lua).
local strings = ...

function strings.new_reader(text)
    local kind = type(text)

    if kind ~= "string" and kind ~= "number" then
        error("bad argument #1 to new_reader (string expected, got " .. kind .. ")", 2)
    end

    local all = tostring(text)

    return streams.reader(function()
        local piece = all
        all = nil

        return piece
    end)
end

-- A writer that keeps what is written; `string` returns it.
function strings.new_builder()
    local parts = {}

    local function put(text)
        parts[#parts + 1] = text
    end

    return streams.writer(put, nil, {
        string = function()
            parts = { table.concat(parts) }

            return parts[1]
        end,
    })
end
