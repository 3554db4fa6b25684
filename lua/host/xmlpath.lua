-- The Lua half of the module xmlpath: the objects. A document's nodes share a metatable that holds it: no weak tables, with which a document
-- would outlive its last node by some of the collector's cycles.
local xmlpath = ...
local load, compile, select_places, text = xmlpath.load, xmlpath.compile, xmlpath.select, xmlpath.text
local getmetatable = debug.getmetatable -- sees what __metatable hides from scripts
xmlpath.select, xmlpath.text = nil, nil

local node_methods, path_methods = {}, {}

-- What an object's metatable holds under `key`; raises for anything else.
local function behind(value, key, position, name, expected)
    local metatable = type(value) == "table" and getmetatable(value)

    if not metatable or metatable[key] == nil then
        error("bad argument #" .. position .. " to " .. name .. " (" .. expected .. " expected, got " .. type(value) .. ")", 3)
    end

    return metatable[key], metatable
end

function node_methods.string(node)
    local document = behind(node, "__document", 1, "string", "xmlpath node")

    return text(nil, document, rawget(node, 1))
end

-- The list of the nodes that the path leads to from this one.
function path_methods.iter(path, node)
    local compiled = behind(path, "__path", 1, "iter", "xmlpath path")
    local document, metatable = behind(node, "__document", 2, "iter", "xmlpath node")
    local nodes = select_places(compiled, document, rawget(node, 1))

    for at, place in ipairs(nodes) do
        nodes[at] = setmetatable({ place }, metatable)
    end

    return nodes
end

function xmlpath.load(page)
    local document, err = load(page)

    if not document then
        return nil, err
    end

    return setmetatable({ 0 }, { __index = node_methods, __metatable = false, __document = document })
end

function xmlpath.compile(path)
    local compiled, err = compile(path)

    if not compiled then
        return nil, err
    end

    return setmetatable({}, { __index = path_methods, __metatable = false, __path = compiled })
end
